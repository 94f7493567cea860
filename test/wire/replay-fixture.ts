import { completion, json, type Script, sse } from '../helpers/upstream.js';

/** Numbers from 0 to 1 that are the same every time. */
export type Chance = () => number;

export function chanceFrom(seed: number): Chance {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

interface Message {
  role: string;
  content: string;
}

/** A chat request as these tests make them. */
export interface ReplayBody {
  model: string;
  messages: Message[];
  tools?: object[];
  max_tokens?: number;
  max_completion_tokens?: number;
  stream?: boolean;
  /** What OpenAI calls the caller's own data; here it tells the upstream what kind of answer is due. */
  metadata: { kind: Kind };
}

type Kind = 'question' | 'code' | 'translation' | 'summary' | 'lookup';

const words = {
  english: 'the quick answer depends on how many people will read this page and why they came here',
  german:
    'die schnelle Antwort hängt davon ab wie viele Menschen diese Seite lesen und Zusammenhänge verstehen',
  russian: 'быстрый ответ зависит от того сколько людей прочитает эту страницу и зачем они пришли сюда',
  chinese: '答案 取决 于 多少 人 会 阅读 这个 页面 以及 他们 为什么 来 这里 寻找 信息',
  code: 'const result = await fetch(url); if (!result.ok) throw new Error(result.status); return items[0]?.id',
};
type Language = keyof typeof words;
const languages = Object.keys(words) as Language[];
const kinds: readonly Kind[] = ['question', 'code', 'translation', 'summary', 'lookup'];

function pick<Item>(items: readonly Item[], chance: Chance): Item {
  const item = items[Math.floor(chance() * items.length)];
  if (item === undefined) throw new Error('There is nothing to pick from.');
  return item;
}

function text(language: Language, length: number, chance: Chance): string {
  const known = words[language].split(' ');
  const glue = language === 'chinese' ? '' : ' ';
  return Array.from({ length }, () => pick(known, chance)).join(glue);
}

/** How many words the caller writes: many short questions, a few long documents. */
const lengths: Readonly<Record<Kind, readonly [least: number, most: number]>> = {
  question: [5, 150],
  code: [40, 700],
  translation: [30, 500],
  summary: [600, 4000],
  lookup: [5, 40],
};

/** One of many requests that are not alike: languages, code, tools, conversations, caps, streams. */
export function requestOf(chance: Chance, model: string): ReplayBody {
  const kind = pick(kinds, chance);
  const [least, most] = lengths[kind];
  const language = kind === 'code' ? 'code' : pick(languages, chance);
  const turns = kind === 'question' && chance() < 0.4 ? 2 * Math.ceil(chance() * 5) : 0;
  const earlier = Array.from({ length: turns }, (_, index) => ({
    role: index % 2 === 0 ? 'user' : 'assistant',
    content: text(language, 20 + Math.floor(chance() * 120), chance),
  }));
  const last = text(language, least + Math.floor(chance() * (most - least)), chance);
  const cap = chance();
  return {
    model,
    messages: [
      ...(chance() < 0.5
        ? [{ role: 'system', content: 'Answer briefly and in the language of the user.' }]
        : []),
      ...earlier,
      { role: 'user', content: last },
    ],
    ...(kind === 'lookup' && { tools: Array.from({ length: 1 + Math.floor(chance() * 6) }, tool) }),
    ...(cap < 0.15 && { max_tokens: 64 }),
    ...(cap >= 0.15 && cap < 0.3 && { max_completion_tokens: 500 }),
    ...(chance() < 0.3 && { stream: true }),
    metadata: { kind },
  };
}

function tool(_: unknown, index: number): object {
  const properties = {
    place: { type: 'string', description: 'A town or a country' },
    days: { type: 'integer' },
  };
  const parameters = { type: 'object', properties, required: ['place'] };
  return {
    type: 'function',
    function: { name: `look_up_${index}`, description: 'Looks something up', parameters },
  };
}

/** How one provider counts and answers. */
export interface Manner {
  /** Tokens it counts for one of the common tokenizer. */
  scale: number;
  /** How much longer its answers are. */
  verbosity: number;
  /** Reads what conversations repeat from its cache. */
  caches: boolean;
  /** Thinks before it answers, and bills it. */
  reasons: boolean;
}

/** A provider that bills by counting of its own, with some noise, and unlike the gateway's estimate. */
export function billing(manner: Manner, seed: number): Script {
  const chance = chanceFrom(seed);
  return (response, seen, request) => {
    const body = JSON.parse(String(seen.body)) as ReplayBody;
    const usage = usageOf(body, manner, chance);
    if (body.stream !== true) return json({ ...completion, usage })(response, seen, request);
    const { id, created, model } = completion;
    const shared = { id, object: 'chat.completion.chunk', created, model };
    const event = (part: object) => `data: ${JSON.stringify({ ...shared, ...part })}\n\n`;
    return sse([
      event({ choices: [{ index: 0, delta: { content: 'Hello' }, finish_reason: 'stop' }] }),
      event({ choices: [], usage }),
      'data: [DONE]\n\n',
    ])(response, seen, request);
  };
}

function usageOf(body: ReplayBody, manner: Manner, chance: Chance) {
  const about = (value: number, spread: number) => value * (1 - spread + 2 * spread * chance());
  const counted = body.messages.reduce((sum, { content }) => sum + tokensOf(content) + 4, 3);
  const tools = (body.tools ?? []).reduce<number>(
    (sum, one) => sum + tokensOf(JSON.stringify(one)) * 0.6 + 8,
    0,
  );
  const prompt = Math.round(about((counted + tools) * manner.scale, 0.05));
  const most = body.max_tokens ?? body.max_completion_tokens ?? Number.POSITIVE_INFINITY;
  const wanted = about(wantedTokens(body.metadata.kind, counted) * manner.verbosity, 0.5);
  const reasoning = manner.reasons ? Math.round(about(150, 0.8)) : 0;
  const output = Math.round(Math.min(wanted + reasoning, most));
  const cached = manner.caches && body.messages.length > 3 ? Math.floor((prompt * 0.6) / 128) * 128 : 0;
  return {
    prompt_tokens: prompt,
    completion_tokens: output,
    total_tokens: prompt + output,
    prompt_tokens_details: { cached_tokens: cached },
    completion_tokens_details: { reasoning_tokens: Math.min(reasoning, output) },
  };
}

/** Answers to the same kind of question are about as long. */
function wantedTokens(kind: Kind, prompt: number): number {
  if (kind === 'translation') return prompt;
  if (kind === 'summary') return 250 + prompt * 0.05;
  if (kind === 'code') return 500;
  return kind === 'lookup' ? 60 : 350;
}

/** By words, signs and scripts, as tokenizers do, instead of by bytes. */
function tokensOf(content: string): number {
  let tokens = 0;
  for (const [piece] of content.matchAll(/[a-zäöüß]+|\d+|\p{Script=Cyrillic}+|\p{Script=Han}|[^\s\w]/giu)) {
    if (/\p{Script=Han}/u.test(piece)) tokens += 1.1;
    else if (/\p{Script=Cyrillic}/u.test(piece)) tokens += 1 + piece.length / 4;
    else if (/^[a-z]+$/i.test(piece)) tokens += Math.ceil(piece.length / 7);
    else tokens += /^\d+$/.test(piece) ? Math.ceil(piece.length / 3) : 1 + piece.length / 8;
  }
  return tokens;
}
