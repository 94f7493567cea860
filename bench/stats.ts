/**
 * How long the statistics take over a large database (bench/generate.ts makes one), asked over HTTP of the built
 * command line, alone and while nothing else happens:
 *
 *   npm run build && node --import tsx bench/stats.ts <path> [rounds=20]
 *
 * Prints the start-up, and for each question the first answer, the median, the 95th percentile, and its size.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Pool } from 'undici';

const [path, rounds = '20'] = process.argv.slice(2);
if (path === undefined) throw new Error('usage: node --import tsx bench/stats.ts <path> [rounds]');

const QUESTIONS = [
  '/stats?since=30d&group_by=model&interval=hour',
  '/stats?since=30d&group_by=model',
  '/stats?since=30d&group_by=key&interval=day',
  '/stats?since=30d&group_by=model,outcome',
  '/stats?since=24h&group_by=model&interval=5m',
  '/stats/providers',
  '/exchanges',
  '/exchanges?limit=500',
  '/exchanges?sort=started_at',
  '/exchanges?provider=lab&key=team-19',
  '/exchanges?provider=nobody',
  '/exchanges?outcome=failed',
  '/exchanges?status=504&model=gpt-4.1',
  '/exchanges?error=first_byte',
  '/exchanges?error=nowhere',
  '/exchanges?min_total_ms=100000000',
  '/exchanges?until=25d',
  '/stats/sessions?since=24h',
];

const folder = mkdtempSync(join(tmpdir(), 'stats-bench-'));
const config = {
  server: { host: '127.0.0.1', port: 0 },
  database: { path: resolve(path) },
  providers: { echo: { type: 'echo' } },
};
writeFileSync(join(folder, 'llm-gateway.json'), JSON.stringify(config));
const began = performance.now();
const cli = fileURLToPath(new URL('../dist/src/cli.js', import.meta.url));
const child = spawn(process.execPath, [cli, 'serve', '--config', 'llm-gateway.json'], {
  cwd: folder,
  stdio: ['ignore', 'pipe', 'inherit'],
});
let printed = '';
for await (const text of child.stdout) {
  printed += text;
  if (/http:\/\/127\.0\.0\.1:\d+/.test(printed)) break;
}
console.log(`${(performance.now() - began).toFixed(0)} ms to start`);

const pool = new Pool(/http:\/\/127\.0\.0\.1:\d+/.exec(printed)?.[0] ?? '', { connections: 1 });
const first = performance.now();
for (const url of QUESTIONS) {
  const times: number[] = [];
  let size = 0;
  for (let round = 0; round < Number(rounds); round += 1) {
    const started = performance.now();
    const { statusCode, body } = await pool.request({ path: url, method: 'GET' });
    size = (await body.arrayBuffer()).byteLength;
    times.push(performance.now() - started);
    if (statusCode !== 200) throw new Error(`${url}: ${statusCode}`);
  }
  const sorted = times.toSorted((left, right) => left - right);
  const at = (share: number) => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1).padStart(7);
  const [cold = 0] = times;
  console.log(
    `${cold.toFixed(1).padStart(7)} ${at(0.5)} ${at(0.95)} ms ${String(size).padStart(8)} B  ${url}`,
  );
}
console.log(`${((performance.now() - first) / 1000).toFixed(1)} s in all`);
await pool.close();
child.kill('SIGTERM');
await once(child, 'close');
rmSync(folder, { recursive: true });
