import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sse } from '../helpers/upstream.js';
import { answered, HARD, MIDDLING, recordOf, setUpParts } from './strategy-fixture.js';

const cheap = { model: { price: { input: 0.1, output: 0.1 } } };
const dear = { model: { price: { input: 10, output: 10 } } };

test('priority asks the first of the list, though another is cheaper, faster and was idle', async (t) => {
  const slow = { ...dear, script: answered({ afterMs: 20 }) };
  const { gateway, whoInTurn, ask } = await setUpParts(t, { slow, cheap }, { strategy: 'priority' });
  assert.deepEqual(await whoInTurn(5), Array(5).fill('slow'));
  assert.equal((await recordOf(gateway.url, await ask())).strategy, 'priority');
});

test('cheapest asks the one with the lower price', async (t) => {
  const { gateway, whoInTurn, ask } = await setUpParts(
    t,
    { dear, unpriced: {}, cheap },
    { strategy: 'cheapest' },
  );
  assert.deepEqual(await whoInTurn(5), Array(5).fill('cheap'));
  assert.equal((await recordOf(gateway.url, await ask())).strategy, 'cheapest');
});

test('cheapest goes by this request: its length, the longest answer it allows, and the fee', async (t) => {
  const { who } = await setUpParts(
    t,
    {
      cheapAnswers: { model: { price: { input: 10, output: 1 } }, script: answered({ tokens: 300 }) },
      cheapQuestions: { model: { price: { input: 1, output: 10 } }, script: answered({ tokens: 300 }) },
      flat: { model: { price: { input: 0, output: 0, request: 0.02 } } },
    },
    { strategy: 'cheapest' },
  );
  const long = 'Some words to read. '.repeat(400);
  assert.equal(await who(long, { max_tokens: 5 }), 'cheapQuestions');
  assert.equal(await who('Tell me a story.', { max_tokens: 500 }), 'cheapAnswers');
  assert.equal(await who(long.repeat(50), { max_tokens: 5 }), 'flat');
});

test('cheapest learns how long the answers of each target are', async (t) => {
  const price = (output: number) => ({ price: { input: 0, output } });
  const { whoInTurn } = await setUpParts(
    t,
    {
      // A third dearer for each token, and needs a tenth of them.
      terse: { model: price(4), script: answered({ tokens: 20 }) },
      verbose: { model: price(3), script: answered({ tokens: 400 }) },
    },
    { strategy: 'cheapest' },
    { policies: { terse: { allow: ['terse/*'] } } },
  );
  assert.deepEqual(await whoInTurn(8), Array(8).fill('verbose'));
  await whoInTurn(10, 'Hi', {}, { 'x-gateway-policy': 'terse' });
  assert.deepEqual(await whoInTurn(5), Array(5).fill('terse'));
});

test('fastest asks each once, then the one that was quicker', async (t) => {
  const slow = { script: answered({ afterMs: 300 }) };
  const { gateway, whoInTurn, ask } = await setUpParts(
    t,
    { slow, slower: { script: answered({ afterMs: 400 }) }, fast: {} },
    { strategy: 'fastest' },
  );
  const answers = await whoInTurn(9);
  assert.deepEqual(answers.slice(0, 3), ['slow', 'slower', 'fast']);
  assert.deepEqual(answers.slice(3), Array(6).fill('fast'));
  assert.equal((await recordOf(gateway.url, await ask())).strategy, 'fastest');
});

test('fastest measures streams apart from whole answers', async (t) => {
  const whole = answered({ afterMs: 800 });
  const streams = { script: mixed(sse(), whole) };
  const slowStreams = {
    script: mixed((...args) => setTimeout(() => sse()(...args), 800), answered()),
  };
  const { whoInTurn } = await setUpParts(t, { streams, slowStreams }, { strategy: 'fastest' });
  assert.deepEqual((await whoInTurn(5)).slice(2), Array(3).fill('slowStreams'));
  assert.deepEqual((await whoInTurn(5, 'Hi', { stream: true })).slice(2), Array(3).fill('streams'));
});

test('round-robin goes round', async (t) => {
  const { gateway, whoInTurn, ask } = await setUpParts(
    t,
    { one: {}, two: {}, three: {} },
    { strategy: 'round-robin' },
  );
  assert.deepEqual(await whoInTurn(7), ['one', 'two', 'three', 'one', 'two', 'three', 'one']);
  assert.equal((await recordOf(gateway.url, await ask())).strategy, 'round-robin');
});

test('round-robin gives requests that come at once a target each', async (t) => {
  const late = { script: answered({ afterMs: 30 }) };
  const { who } = await setUpParts(t, { one: late, two: late, three: late }, { strategy: 'round-robin' });
  const answers = await Promise.all(Array.from({ length: 9 }, () => who()));
  for (const name of ['one', 'two', 'three']) {
    assert.equal(answers.filter((answer) => answer === name).length, 3, name);
  }
});

test('weighted gives each its exact share, spread evenly', async (t) => {
  const { gateway, whoInTurn, ask } = await setUpParts(
    t,
    { few: {}, many: {}, half: {} },
    { strategy: 'weighted', weights: { 'many/m': 5, 'half/m': 2 } },
  );
  const answers = await whoInTurn(32);
  const counts = ['few', 'many', 'half'].map((name) => answers.filter((answer) => answer === name).length);
  assert.deepEqual(counts, [4, 20, 8]);
  for (let start = 0; start < 32; start += 8) {
    const run = answers.slice(start, start + 8).filter((answer) => answer === 'many').length;
    assert.ok(run >= 4 && run <= 6, `${run} of eight from ${start} on`);
  }
  assert.equal((await recordOf(gateway.url, await ask())).strategy, 'weighted');
});

test('complexity asks the lowest tier that is good enough, and tells which and why', async (t) => {
  const { gateway, ask } = await setUpParts(
    t,
    {
      best: { model: { tier: 'frontier' } },
      usual: { model: { tier: 'standard' } },
      small: { model: { tier: 'local' } },
    },
    { strategy: 'complexity' },
  );
  const expected: [text: string, provider: string, tier: string, least: number, most: number][] = [
    ['Hello', 'small', 'local', 0, 0.1],
    [MIDDLING, 'usual', 'standard', 0.25, 0.65],
    [HARD, 'best', 'frontier', 0.65, 1],
  ];
  for (const [text, provider, tier, least, most] of expected) {
    // Long enough to leave no doubt where the text alone would.
    const response = await ask(text === HARD ? `${HARD}\n${'More to think about. '.repeat(400)}` : text);
    const header = (name: string) => response.headers.get(`x-gateway-${name}`);
    const record = await recordOf(gateway.url, response);
    assert.deepEqual([header('provider'), header('tier'), record.tier], [provider, tier, tier]);
    assert.deepEqual([record.strategy, record.policy, header('policy')], ['complexity', null, null]);
    const score = record.complexity ?? Number.NaN;
    assert.ok(score >= least && score <= most, `${text}: ${score}`);
    assert.equal(header('complexity'), score.toFixed(2));
  }
  const listed = (await (await fetch(`${gateway.url}/exchanges`)).json()) as { data: { tier: string }[] };
  assert.deepEqual(
    listed.data.map(({ tier }) => tier),
    ['frontier', 'standard', 'local'],
  );
});

test('without a strategy that minds, no tier and no score are told', async (t) => {
  const { gateway, ask } = await setUpParts(t, { one: {}, two: {} }, { strategy: 'round-robin' });
  const response = await ask(HARD);
  assert.deepEqual(
    ['tier', 'complexity', 'policy'].map((name) => response.headers.get(`x-gateway-${name}`)),
    [null, null, null],
  );
  const { tier, complexity, policy } = await recordOf(gateway.url, response);
  assert.deepEqual([tier, complexity, policy], [null, null, null]);
});

/** Streams in one way, whole answers in another. */
function mixed(stream: ReturnType<typeof answered>, whole: ReturnType<typeof answered>) {
  const script: typeof stream = (response, seen, request) => {
    const wantsStream = (JSON.parse(String(seen.body)) as { stream?: boolean }).stream === true;
    return (wantsStream ? stream : whole)(response, seen, request);
  };
  return script;
}
