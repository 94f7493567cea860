import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startChild } from './children.js';
import { configurationFor, type Recording, WEB_KEY } from './configuration.js';
import { startPortkey } from './portkey.js';
import { type Subject, type SubjectName, type Surroundings, subjectOf } from './subject.js';

export const cliPath = fileURLToPath(new URL('../../dist/src/cli.js', import.meta.url));
const floorPath = fileURLToPath(new URL('./floor.mjs', import.meta.url));
const recordings = { gateway: 'none', 'gateway-all': 'all', 'gateway-off': 'off' } as const;

export function startSubject(name: SubjectName, surroundings: Surroundings): Promise<Subject> {
  switch (name) {
    case 'direct':
      return Promise.resolve({
        name,
        child: null,
        port: surroundings.mockPort,
        path: '/ok/v1/chat/completions',
        headers: [],
        stop: async () => {},
      });
    case 'floor':
      return startFloor(surroundings);
    case 'portkey':
      return startPortkey(surroundings);
    default:
      return startGateway(name, recordings[name], surroundings);
  }
}

async function startFloor({ mockPort, prefix, nodeOptions = [] }: Surroundings): Promise<Subject> {
  const child = await startChild({
    prefix,
    nodeOptions,
    args: [floorPath, `http://127.0.0.1:${mockPort}/ok/v1`],
    cwd: tmpdir(),
  });
  return subjectOf('floor', child, [], () => child.stop());
}

async function startGateway(
  name: SubjectName,
  recording: Recording,
  { mockPort, prefix, nodeOptions = [], database = null }: Surroundings,
): Promise<Subject> {
  const folder = mkdtempSync(join(tmpdir(), 'llm-gateway-bench-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  // Also when a signal ends everything.
  process.once('exit', remove);
  try {
    const file = join(folder, 'llm-gateway.json');
    const path = database ?? join(folder, 'gateway.db');
    writeFileSync(file, JSON.stringify(configurationFor(`http://127.0.0.1:${mockPort}`, path, recording)));
    const args = [cliPath, 'serve', '--config', file, '--port', '0'];
    const child = await startChild({ prefix, nodeOptions, args, cwd: folder });
    return subjectOf(name, child, [`authorization: Bearer ${WEB_KEY}`], async () => {
      await child.stop();
      process.off('exit', remove);
      remove();
    });
  } catch (error) {
    remove();
    throw error;
  }
}
