import { test } from 'node:test';
import { responsesApi } from '../helpers/apis.js';
import { jsonFaults } from '../helpers/fault-answers.js';
import { streamFaults } from '../helpers/fault-streams.js';
import { connectionFaults, statusFaults } from '../helpers/faults.js';
import { runMatrix } from './fault-matrix.js';

const always = [...connectionFaults(), ...statusFaults(responsesApi)];

test(
  'whatever an upstream of the responses API does, the caller knows what it got',
  { concurrency: 6 },
  (context) =>
    runMatrix(context, responsesApi, {
      JSON: [...always, ...jsonFaults(responsesApi)],
      stream: [...always, ...streamFaults(responsesApi)],
    }),
);
