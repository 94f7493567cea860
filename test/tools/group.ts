/** Loads test files into this process, one after the other; Node's runner then runs their tests in that order. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

for (const file of process.argv.slice(2)) await import(pathToFileURL(resolve(file)).href);
