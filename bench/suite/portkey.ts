import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChild } from './children.js';
import { type Subject, type Surroundings, subjectOf } from './subject.js';

const VERSION = '1.15.2';
/**
 * Its package has no lockfile, and with what its ranges allow today streams break. These are the oldest versions that they
 * allow, which are the ones it was made with.
 */
const manifest = {
  private: true,
  dependencies: { '@portkey-ai/gateway': VERSION },
  overrides: { hono: '4.9.7', '@hono/node-server': '1.3.3' },
};
const INSTALL_MS = 180_000;

const folder = join(tmpdir(), `llm-gateway-bench-portkey-${VERSION}`);
const program = join(folder, 'node_modules/@portkey-ai/gateway/build/start-server.js');

/** Installs it, once, into a folder for temporary files. Returns what went wrong, null when nothing did. */
export function installPortkey(): string | null {
  if (existsSync(join(folder, 'complete'))) return null;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  // Scripts are not run: the only one applies patches of its own development.
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund'];
  const { status, error, stderr } = spawnSync('npm', args, {
    cwd: folder,
    timeout: INSTALL_MS,
    encoding: 'utf8',
  });
  if (status !== 0) return error?.message ?? stderr.trim();
  writeFileSync(join(folder, 'complete'), '');
  return null;
}

export async function startPortkey({ mockPort, prefix, nodeOptions = [] }: Surroundings): Promise<Subject> {
  const port = await freePort();
  const child = await startChild({
    prefix,
    nodeOptions,
    // Headless: without its page that shows requests as they come.
    args: [program, '--headless', `--port=${port}`],
    cwd: folder,
    env: { NODE_ENV: 'production' },
    port,
  });
  const headers = [
    'authorization: Bearer upstream',
    'x-portkey-provider: openai',
    `x-portkey-custom-host: http://127.0.0.1:${mockPort}/ok/v1`,
  ];
  return subjectOf('portkey', child, headers, () => child.stop());
}

/** It does not say which port it was given when asked to take any. */
function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });
}
