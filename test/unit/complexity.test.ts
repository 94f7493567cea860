import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { assess, defaultThresholds, tierOf } from '../../src/routing/complexity.js';
import { digest } from '../../src/routing/digest.js';
import { facts } from './routing-fixture.js';

const code = '```ts\nconst a = 1;\n```\n';
const tool = { type: 'function', function: { name: 'look_up', parameters: { type: 'object' } } };
const turns = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    role: index % 2 ? 'assistant' : 'user',
    content: 'And then?',
  }));
const image = { type: 'image_url', image_url: { url: 'https://example.org/cat.png' } };

const golden: readonly [what: string, body: Record<string, unknown>, score: number, tier: string][] = [
  ['a greeting', { messages: [{ role: 'user', content: 'Hello' }] }, 0, 'local'],
  ['a fact', { messages: [{ role: 'user', content: 'What is the capital of France?' }] }, 0, 'local'],
  ['a word for thought', { messages: [{ role: 'user', content: 'Compare tea and coffee.' }] }, 0.2, 'local'],
  [
    'two of them',
    { messages: [{ role: 'user', content: 'Compare tea and coffee step by step.' }] },
    0.4,
    'standard',
  ],
  [
    'the same in Chinese',
    { messages: [{ role: 'user', content: '请一步一步比较茶和咖啡。' }] },
    0.4,
    'standard',
  ],
  [
    'the same in German',
    { messages: [{ role: 'user', content: 'Vergleiche Tee und Kaffee Schritt für Schritt.' }] },
    0.4,
    'standard',
  ],
  [
    'a script nobody here reads',
    { messages: [{ role: 'user', content: 'Привет, как дела?' }] },
    0,
    'standard',
  ],
  [
    'a picture',
    { messages: [{ role: 'user', content: [{ type: 'text', text: 'What is it?' }, image] }] },
    0.201,
    'standard',
  ],
  ['nothing to read', { messages: [{ role: 'assistant', content: 'Hi' }] }, 0, 'standard'],
  [
    'one block of code',
    { messages: [{ role: 'user', content: `What does it do?\n${code}` }] },
    0.133,
    'local',
  ],
  [
    'three files and a task',
    {
      messages: [
        { role: 'user', content: `Refactor src/a.ts, src/b.ts and test/a.test.ts.\n${code.repeat(2)}` },
      ],
    },
    0.57,
    'standard',
  ],
  [
    'code without a fence',
    { messages: [{ role: 'user', content: 'def f():\n    return 1;\nimport os\nclass A:\n' }] },
    0.133,
    'local',
  ],
  ['a long conversation', { messages: turns(31) }, 0.343, 'standard'],
  ['a few tools', { messages: turns(1), tools: Array(3).fill(tool) }, 0.219, 'local'],
  ['many tools', { messages: turns(1), tools: Array(12).fill(tool) }, 0.4, 'standard'],
  ['4,000 tokens', { messages: [{ role: 'user', content: 'some text '.repeat(1600) }] }, 0.371, 'standard'],
  [
    'a long task with everything',
    {
      messages: [
        {
          role: 'user',
          content: `Debug and refactor step by step: a.py, b.py, c.py.\n${code.repeat(3)}${'text '.repeat(4000)}`,
        },
      ],
      tools: Array(4).fill(tool),
    },
    0.921,
    'frontier',
  ],
];

test('requests are judged as in this table', () => {
  for (const [what, body, score, tier] of golden) {
    const found = assess(digest(body));
    assert.deepEqual([found.score, tierOf(found, defaultThresholds)], [score, tier], what);
  }
});

test('a score just below a threshold counts as above it', () => {
  const tier = (score: number, unsure = false) => tierOf({ score, unsure }, { standard: 0.3, frontier: 0.7 });
  assert.deepEqual(
    [tier(0.24), tier(0.25), tier(0.64), tier(0.65)],
    ['local', 'standard', 'standard', 'frontier'],
  );
  assert.deepEqual([tier(0, true), tier(0.3, true), tier(1, true)], ['standard', 'frontier', 'frontier']);
});

test('a score is from 0 to 1, and more of anything never lowers it', () => {
  const part = fc.constantFrom(
    'Hello. ',
    'prove it ',
    code,
    'src/a.ts ',
    'src/b.py ',
    'analyze ',
    'word '.repeat(50),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), part, fc.nat(20), (parts, extra, tools) => {
      const judge = (text: string, count: number) =>
        facts(text, { body: { messages: [{ role: 'user', content: text }], tools: Array(count).fill(tool) } })
          .complexity.score;
      const text = parts.join('');
      const score = judge(text, tools);
      assert.ok(score >= 0 && score <= 1);
      assert.ok(judge(text + extra, tools) >= score);
      assert.ok(judge(text, tools + 1) >= score);
    }),
    { numRuns: 200 },
  );
});

test('what stands at the end of a long text is read', () => {
  const text = `${'a b c '.repeat(20_000)} compare and analyze step by step`;
  const without = facts('a b c '.repeat(20_000)).complexity.score;
  assert.ok(facts(text).complexity.score > without + 0.1);
});
