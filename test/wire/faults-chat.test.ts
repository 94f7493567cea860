import { test } from 'node:test';
import { chatApi } from '../helpers/apis.js';
import { jsonFaults } from '../helpers/fault-answers.js';
import { streamFaults } from '../helpers/fault-streams.js';
import { connectionFaults, statusFaults } from '../helpers/faults.js';
import { runMatrix } from './fault-matrix.js';

const always = [...connectionFaults(), ...statusFaults(chatApi)];

test('whatever a chat upstream does, the caller knows what it got', { concurrency: 6 }, (context) =>
  runMatrix(context, chatApi, {
    JSON: [...always, ...jsonFaults(chatApi)],
    stream: [...always, ...streamFaults(chatApi)],
  }),
);
