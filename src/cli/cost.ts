import { readFileSync } from 'node:fs';
import { endpoints } from '../endpoints.js';
import { GatewayError } from '../errors.js';
import { priceOf } from '../prices/price-of.js';
import { type Explanation, explain } from '../routing/explain.js';
import { type RequestFacts, requestFacts } from '../routing/facts.js';
import { createRouter, type Router } from '../routing/router.js';
import type { Entry } from '../routing/table.js';
import { isRecord } from '../stream/json.js';
import { costNano } from '../upstream/price.js';
import type { CostCommand } from './cost-arguments.js';
import { CommandError, usage } from './failure.js';
import { load } from './load.js';

const NANO = 1e9;
const STANDARD_INPUT = 0;

/** A request to be explained. */
interface Question {
  readonly model: string;
  readonly endpoint: string;
  readonly body: Record<string, unknown>;
  readonly bodyBytes: number;
}

/**
 * Prints where a request would go and what it would cost there, by the code behind `POST /explain`. With sizes in
 * tokens the cost is exact; for a body it is estimated. Knows nothing of what a running server has learned.
 */
export async function cost(command: CostCommand): Promise<void> {
  const { config } = await load(command.file);
  const router = createRouter(config);
  try {
    const { model, ...question } = questionOf(command);
    const entry = router.resolve(model, null);
    const facts = incoming(question, command);
    const explained = explain(router, entry, facts, Date.now());
    const exact = command.inputTokens === null ? null : exactCosts(router, entry, facts, command);
    const text = command.json
      ? JSON.stringify(withCosts(explained, exact))
      : lines(explained, exact).join('\n');
    process.stdout.write(`${text}\n`);
  } catch (error) {
    throw error instanceof GatewayError ? new CommandError(error.message) : error;
  }
}

function questionOf({ body: file, model, endpoint }: CostCommand): Question {
  const path = pathOf(endpoint ?? 'chat/completions');
  if (file === null) return { model: model ?? '', endpoint: path, body: {}, bodyBytes: 0 };
  const bytes = readBody(file);
  const body = parse(bytes, file);
  const named = model ?? body.model;
  if (typeof named !== 'string' || named === '') {
    throw new CommandError('the body has no `model`: add it, or name one with --model');
  }
  return { model: named, endpoint: path, body, bodyBytes: bytes.length };
}

/** With `/v1` or without; `POST /explain` knows the same ones. */
function pathOf(endpoint: string): string {
  const path = endpoint.replace(/^\/?(v1\/)?/, '');
  if (endpoints.some((known) => known.path === `/${path}`)) return path;
  throw usage(`"${endpoint}" is not an endpoint that is routed by a model`, null, 'cost');
}

function readBody(file: string): Buffer {
  try {
    return readFileSync(file === '-' ? STANDARD_INPUT : file);
  } catch (error) {
    throw new CommandError(`the body cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

function parse(bytes: Buffer, file: string): Record<string, unknown> {
  try {
    const body: unknown = JSON.parse(bytes.toString('utf8'));
    if (isRecord(body)) return body;
  } catch {
    // Said below.
  }
  throw new CommandError(`${file} is no JSON object`);
}

function incoming(
  { body, ...question }: Omit<Question, 'model'>,
  { inputTokens, outputTokens }: CostCommand,
): RequestFacts {
  const longest = outputTokens === null ? {} : { max_tokens: outputTokens, max_output_tokens: outputTokens };
  const asked = { ...body, ...longest };
  return requestFacts({ ...question, body: asked, inputTokens, caller: null, session: null, policy: null });
}

/** Nano-USD by target. */
function exactCosts(
  router: Router,
  entry: Entry,
  facts: RequestFacts,
  { inputTokens, outputTokens }: CostCommand,
): ReadonlyMap<string, number | null> {
  const none = {
    cacheRead: null,
    cacheWrite: null,
    reasoning: null,
    audioInput: null,
    audioOutput: null,
    providerCostNano: null,
  };
  const usage = { ...none, inputUncached: inputTokens, outputText: outputTokens };
  const now = Date.now();
  const { candidates, skips } = router.plan(entry, facts, now);
  const targets = [...candidates, ...skips.map(({ target }) => target)];
  return new Map(targets.map((target) => [target.id, costNano(usage, priceOf(target, now)?.price ?? null)]));
}

type Costs = ReadonlyMap<string, number | null> | null;

function withCosts(explained: Explanation, exact: Costs): object {
  if (exact === null) return explained;
  const priced = <Target extends Explanation['candidates'][number]>(target: Target) => ({
    ...target,
    cost_usd: usdOf(exact.get(`${target.provider}/${target.model}`)),
  });
  return { ...explained, candidates: explained.candidates.map(priced), skips: explained.skips.map(priced) };
}

function lines(explained: Explanation, exact: Costs): string[] {
  const { candidates, skips, strategy, route, input_tokens: input } = explained;
  const describe = ({ provider, model, ...target }: Explanation['candidates'][number]) => {
    const known = exact === null ? target.estimated_cost_usd : usdOf(exact.get(`${provider}/${model}`));
    const about = exact === null ? 'about ' : '';
    const most = target.worst_case_cost_usd;
    const limit = exact === null && most !== null ? `, at most ${text(most)} USD` : '';
    return `${provider}/${model}  ${known === null ? 'price unknown' : `${about}${text(known)} USD${limit}`}`;
  };
  return [
    `${route === null ? 'no route' : `route ${route}`}, ${strategy}; ${input} tokens in`,
    ...candidates.map((target, index) => `${index + 1}. ${describe(target)}`),
    ...skips.map((target) => `-  ${describe(target)}  (passed over: ${target.reason.replaceAll('_', ' ')})`),
  ];
}

function usdOf(nano: number | null | undefined): number | null {
  return nano == null ? null : nano / NANO;
}

function text(usd: number): string {
  return usd.toFixed(9).replace(/\.?0+$/, '');
}
