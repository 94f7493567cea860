import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { parseCommand } from '../../src/cli/arguments.js';
import { runCli } from './helpers.js';

test('serve takes its options long and short', async () => {
  const overrides = { host: '::1', port: 0, db: 'off' };
  const expected = { name: 'serve', file: 'a.yaml', overrides, workers: 3 };
  const long = ['serve', '--config', 'a.yaml', '--host=::1', '--port', '0', '--db', 'off', '--workers', '3'];
  assert.deepEqual(await parseCommand(long), expected);
  assert.deepEqual(
    await parseCommand(['-c', 'a.yaml', 'serve', '--host', '::1', '-p0', '--db=off', '-w3']),
    expected,
  );
});

test('what is not given stays open', async () => {
  assert.deepEqual(await parseCommand(['serve']), { name: 'serve', file: null, overrides: {}, workers: 1 });
  assert.deepEqual(await parseCommand(['check']), { name: 'check', file: null });
});

test('--workers auto is as many as there are cores', async () => {
  const command = await parseCommand(['serve', '--workers', 'auto']);
  assert.ok(command.name === 'serve' && command.workers === availableParallelism());
});

test('help and version win over a missing command', async () => {
  assert.deepEqual(await parseCommand(['--help']), { name: 'help', about: null });
  assert.deepEqual(await parseCommand(['check', '-h']), { name: 'help', about: 'check' });
  assert.deepEqual(await parseCommand(['--version']), { name: 'version' });
});

const mistakes: [argv: string[], message: RegExp][] = [
  [[], /^a command is missing\n\nUsage: /],
  [['serv'], /^unknown command "serv", did you mean serve\?/],
  [['destroy'], /^unknown command "destroy"\n/],
  [['serve', '--prot', '1'], /^unknown option --prot for serve, did you mean --port\?/],
  [['check', '--port', '1'], /^unknown option --port for check\n/],
  [['--port', '1'], /^a command must come with --port\n/],
  [['serve', '-x'], /^unknown option -x for serve\n/],
  [['serve', 'now'], /^unexpected argument "now"/],
  [['serve', '--port'], /^--port needs a value/],
  [['serve', '--port', '--host', '::1'], /^--port needs a value/],
  [['serve', '--db='], /^--db needs a value/],
  [['serve', '--workers=0'], /^--workers must be a whole number from 1 to 128, or "auto", got "0"/],
  [['serve', '--workers=-1'], /^--workers must be a whole number from 1 to 128, or "auto", got "-1"/],
  [['serve', '--workers=1.5'], /^--workers must be a whole number from 1 to 128, or "auto", got "1.5"/],
  [['serve', '--workers=x'], /^--workers must be a whole number from 1 to 128, or "auto", got "x"/],
  [['serve', '--workers=1000'], /^--workers must be a whole number from 1 to 128, or "auto", got "1000"/],
  [['serve', '--help=yes'], /^--help takes no value/],
  [['serve', '--port', '65536'], /^--port must be a number between 0 and 65535, got "65536"/],
  [['serve', '--port', '80a'], /^--port must be a number between 0 and 65535, got "80a"/],
  [['serve', '--port=-1'], /^--port must be a number/],
];
for (const [argv, message] of mistakes) {
  test(`"${argv.join(' ')}" is bad usage`, async () => {
    await assert.rejects(parseCommand(argv), { name: 'CommandError', exitCode: 2, message });
  });
}

test('bad usage is said on stderr and exits with 2', async (context) => {
  const { code, stdout, stderr } = await runCli(context, ['serve', '--prot', '1']);
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /^llm-gateway: unknown option --prot for serve, did you mean --port\?\n/);
});

test('--version prints the version of the package', async (context) => {
  const { code, stdout } = await runCli(context, ['--version']);
  assert.equal(code, 0);
  assert.match(stdout, /^\d+\.\d+\.\d+\S*\n$/);
});

test('--help names the commands, and the options of one', async (context) => {
  const [overview, serve] = await Promise.all([
    runCli(context, ['--help']),
    runCli(context, ['serve', '--help']),
  ]);
  assert.equal(overview.code, 0);
  assert.match(overview.stdout, /^ {2}serve {2}.*\n {2}check {2}/m);
  assert.equal(serve.code, 0);
  for (const option of ['--config <file>', '--host <host>', '--port <port>', '--db <path>', '--help']) {
    assert.ok(serve.stdout.includes(option), option);
  }
});
