import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseCommand } from '../../src/cli/arguments.js';
import { readRows, temporaryFolder } from '../helpers/gateway.js';
import { runCli, startCli } from './helpers.js';

const config = `
providers: { main: { type: echo, models: { echo: { price: { input: 1, output: 2 } }, free: {} } } }
routes: { fast: { targets: [main/echo, main/free] } }
`;

test('keys takes what a key is to be used for', async () => {
  const argv =
    'keys create web --scope proxy,read --route fast --model main/*,x/* --tag a,b --policy p --json';
  const more =
    '--limit requestsPerMinute=60,concurrency=4 --budget 50/month/soft --expires 2027-01-31 --db x.db';
  assert.deepEqual(await parseCommand(`${argv} ${more}`.split(' ')), {
    name: 'keys',
    action: 'create',
    key: 'web',
    file: null,
    db: 'x.db',
    json: true,
    grace: 86_400_000,
    terms: {
      scopes: ['proxy', 'read'],
      routes: ['fast'],
      models: ['main/*', 'x/*'],
      tags: ['a', 'b'],
      policy: 'p',
      limits: { requestsPerMinute: 60, concurrency: 4 },
      budget: { usd: 50, per: 'month', kind: 'soft' },
      expires: '2027-01-31',
    },
  });
  const rotate = await parseCommand(['keys', 'rotate', 'web', '--grace', '1h']);
  assert.ok(rotate.name === 'keys' && rotate.grace === 3_600_000);
});

const mistakes: [argv: string, message: RegExp][] = [
  ['keys', /^keys needs to be told what to do: create, list, revoke, rotate/],
  ['keys revok web', /^unknown command "keys revok", did you mean revoke\?/],
  ['keys revoke', /^keys revoke needs the name of a key/],
  ['keys list web', /^unexpected argument "web"/],
  ['keys create a b', /^unexpected argument "b"/],
  ['keys list --scope read', /^unknown option --scope for keys list/],
  ['keys create --grace 1h', /^unknown option --grace for keys create/],
  ['keys create --scope root', /^--scope is not understood: "root"/],
  ['keys create --limit perMinute=3', /^--limit is not understood/],
  ['keys create --limit requestsPerMinute', /^--limit is not understood/],
  ['keys create --budget 5', /^--budget is not understood/],
  ['keys create --budget 5/year', /^--budget is not understood/],
  ['keys create --expires soon', /^--expires must be a date such as 2027-01-31, or a span such as 30d/],
  ['keys create ', /^the name of a key has 1 to 128 characters without whitespace, got ""/],
  ['keys create a\nb', /^the name of a key has 1 to 128 characters without whitespace, got "a\\nb"/],
  [`keys create ${'x'.repeat(129)}`, /^the name of a key has 1 to 128 characters/],
  ['keys create --expires 999999999999d', /^--expires must be a date such as 2027-01-31, or a span/],
  ['keys rotate web --grace 999999999999d', /^--grace must be a span such as 24h, of at most 3650d/],
  ['keys rotate web --grace soon', /^--grace must be a span such as 24h/],
  ['cost', /^cost needs --body, or --model and --input-tokens/],
  ['cost --model m --input-tokens many', /^--input-tokens must be a whole number/],
  ['cost --body x --output-tokens 5', /^cost takes either --body, or/],
];
for (const [argv, message] of mistakes) {
  test(`"${argv}" is bad usage`, async () => {
    await assert.rejects(parseCommand(argv.split(' ')), { name: 'CommandError', exitCode: 2, message });
  });
}

test('a key made on the command line works at a gateway that was started after it', async (t) => {
  const database = join(temporaryFolder(), 'gateway.db');
  const keys = (...argv: string[]) => runCli(t, ['keys', ...argv, '--db', database], { config });
  const created = await keys('create', 'web', '--route', 'fast', '--json');
  assert.equal(created.code, 0, created.stderr);
  const { key } = JSON.parse(created.stdout);
  const [stored] = readRows(database, 'select hex(hash) as hash from api_key_secrets');
  assert.ok(typeof stored?.hash === 'string' && stored.hash.length === 64);

  const exposed = `${config}\nserver: { host: 0.0.0.0, port: 0 }\ndatabase: { path: ${database} }\n`;
  const server = startCli(t, ['serve'], { config: exposed });
  const [, url = ''] = await server.printed(/listens on (http:\S+)/);
  const models = (token: string) =>
    fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal((await models(key)).status, 200);
  assert.equal((await models(`${key.slice(0, -2)}xx`)).status, 401);

  const revoked = await keys('revoke', 'web');
  assert.match(revoked.stdout, /^The key "web" is revoked/);
  const deadline = Date.now() + 10_000;
  let status = 200;
  while (status === 200 && Date.now() < deadline) ({ status } = await models(key));
  assert.equal(status, 401, 'the running gateway follows');
  const list = await keys('list');
  assert.match(list.stdout, /^web {2}gw-[0-9a-z]{8}-… {2}proxy {2}revoked /);
  assert.equal((await keys('rotate', 'web')).code, 1);
});

test('only a key that is made makes a database', async (context) => {
  for (const args of [['list'], ['revoke', 'web'], ['rotate', 'web']]) {
    const { code, stderr, folder } = await runCli(context, ['keys', ...args, '--db', 'none.db']);
    assert.equal(code, 1);
    assert.match(stderr, /^llm-gateway: there is no database at \S+none\.db: name it with --db/);
    assert.ok(!existsSync(join(folder, 'none.db')));
  }
});

test('what cannot be done is said', async (t) => {
  const setup = { config };
  const database = join(temporaryFolder(), 'gateway.db');
  await runCli(t, ['keys', 'create', 'web', '--db', database], setup);
  const [off, route, nobody] = await Promise.all([
    runCli(t, ['keys', 'list', '--db', 'off'], setup),
    runCli(t, ['keys', 'create', '--route', 'nowhere'], setup),
    runCli(t, ['keys', 'revoke', 'nobody', '--db', database], setup),
  ]);
  assert.deepEqual([off.code, route.code, nobody.code], [1, 1, 1]);
  assert.match(off.stderr, /keys are kept in the database, but there is no file/);
  assert.match(route.stderr, /No route is named "nowhere"/);
  assert.match(nobody.stderr, /there is no key "nobody" in the database/);
});

test('cost says where a request would go, and what it would cost there', async (t) => {
  const body = JSON.stringify({
    model: 'fast',
    max_tokens: 100,
    messages: [{ role: 'user', content: 'Hi' }],
  });
  const setup = { config, files: { 'body.json': body, 'list.json': '[]' } };
  const [exact, estimated, unknown, broken, elsewhere] = await Promise.all([
    runCli(
      t,
      ['cost', '--model', 'fast', '--input-tokens', '1000000', '--output-tokens', '500000', '--json'],
      setup,
    ),
    runCli(t, ['cost', '--body', 'body.json'], setup),
    runCli(t, ['cost', '--model', 'nothing', '--input-tokens', '1'], setup),
    runCli(t, ['cost', '--body', 'list.json'], setup),
    runCli(t, ['cost', '--body', 'body.json', '--endpoint', '/v1/chat/completion'], setup),
  ]);
  const { route, candidates } = JSON.parse(exact.stdout);
  assert.equal(route, 'fast');
  assert.deepEqual(
    candidates.map(({ model, cost_usd }: { model: string; cost_usd: number | null }) => [model, cost_usd]),
    [
      ['echo', 2],
      ['free', null],
    ],
  );
  assert.match(estimated.stdout, /^1\. main\/echo {2}about 0\.000\d+ USD, at most 0\.000\d+ USD$/m);
  assert.match(estimated.stdout, /^2\. main\/free {2}price unknown$/m);
  assert.deepEqual([unknown.code, broken.code], [1, 1]);
  assert.match(broken.stderr, /list\.json is no JSON object/);
  assert.equal(elsewhere.code, 2);
  assert.match(elsewhere.stderr, /"\/v1\/chat\/completion" is not an endpoint that is routed by a model/);
});
