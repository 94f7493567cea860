import type { Config, ProviderConfig } from '../config.js';
import { type Attempt, beginAttempt, conclude, type Exchange, whenSettled } from '../exchange.js';
import type { Router } from '../routing/router.js';
import { recordedModel, type Target } from '../routing/table.js';
import { attempt, type Won, type Work } from './attempt.js';
import type { Control } from './control.js';
import { needsOf, type Picked } from './dispatch.js';
import type { DrainPolicy } from './drain.js';
import { classify, type Failure, isTargetFault, upstreamMessage, type Verdict } from './failure.js';
import { requestHeaders } from './headers.js';
import type { Job } from './job.js';
import { type Connection, connectTo } from './pools.js';
import type { Progress } from './progress.js';
import { readCooldown } from './rate-limit/read.js';
import { createReport, noReport, type Report } from './report.js';
import { hideSecret } from './secret.js';
import { createCancel } from './transport.js';

/** OpenRouter's list is about 500 kB. */
const MAX_MODELS_BYTES = 8 * 1024 * 1024;

/** What came of asking one target. */
export type Tried = Won | Failed;

/** It gave no answer. */
export interface Failed {
  control: Control;
  failure: Failure;
  target: Target;
  action: Verdict['action'];
}

/** Asks targets. */
export interface Sender {
  /** One target that was picked. What came of it is told to the routing, and stands in the record. */
  send(job: Job, progress: Progress, picked: Picked, control: Control): Promise<Tried>;
  /** One target of which nothing is known and nobody is told. */
  pass(job: Job, target: Target, control: Control): Promise<Tried>;
  /** What the provider answers to `GET /models`. */
  fetchModels(provider: ProviderConfig, signal: AbortSignal): Promise<unknown>;
  close(): Promise<void>;
}

/** Connects to the configured providers. `freed` is told which provider may take a request again. */
export function createSender(
  config: Pick<Config, 'providers' | 'disconnect' | 'drainLimit'>,
  { availability, observe }: Pick<Router, 'availability' | 'observe'>,
  freed: (provider: string) => void,
): Sender {
  const drain: DrainPolicy | null = config.disconnect === 'drain' ? config.drainLimit : null;
  const connections = new Map<string, Connection>();
  const withoutStreamUsage = new Set<string>();
  for (const provider of Object.values(config.providers)) connections.set(provider.name, connectTo(provider));

  async function send(job: Job, progress: Progress, picked: Picked, control: Control): Promise<Tried> {
    const { name, streamUsage } = picked.target.provider;
    const refused = withoutStreamUsage.has(name) || progress.isPlain(name);
    const streamOptions = job.addStreamUsage && streamUsage && !refused;
    const tried = await once(job, progress, picked, control, streamOptions);
    if (!('failure' in tried) || tried.action !== 'without_stream_options') return tried;
    if (job.exchange.cancelled !== null) return tried;
    // The same target, without what the gateway added by itself.
    const permit = availability.reserve(picked.target, Date.now(), needsOf(job.facts));
    if (!('settle' in permit)) {
      // Somebody else has its place now. The caller is not to be refused for what it never asked for.
      progress.setPlain(name);
      progress.untry(picked.target.id);
      return tried;
    }
    const again = await once(job, progress, { target: picked.target, permit }, control, false);
    // Only now is it known that the options were the reason, and not a mistake of this caller.
    if ('answer' in again) withoutStreamUsage.add(name);
    return again;
  }

  async function once(
    job: Job,
    progress: Progress,
    { target, permit }: Picked,
    control: Control,
    streamOptions: boolean,
  ): Promise<Tried> {
    const { exchange, facts, resolution: entry } = job;
    const report = createReport(permit, observe, { entry, facts, target }, freed);
    // On every path, also those that nobody has thought of.
    whenSettled(exchange, () => report.ended());
    const record = begin(exchange, target);
    const result = await attempt(work(job, target, streamOptions, control, report), record);
    if ('answer' in result) return result;
    const { failure } = result;
    const verdict = classify(failure, Date.now(), { streamOptions }, target.provider.type);
    note(exchange, record, failure, target, control);
    // Before the permit goes back: who waits for it is picked for in the same breath.
    block(target, verdict.effect, facts.endpoint);
    if (isTargetFault(failure)) report.failed();
    else if (wasOutrun(exchange, failure, control)) report.outrun();
    else report.ended();
    learn(progress, target, failure, verdict);
    return { control, failure, target, action: verdict.action };
  }

  function begin(exchange: Exchange, target: Target): Attempt {
    exchange.provider = target.provider.name;
    exchange.model = recordedModel(target);
    return beginAttempt(exchange, target.provider.name, target.model);
  }

  function work(job: Job, target: Target, streamOptions: boolean, control: Control, report: Report): Work {
    const { exchange, endpoint, streaming, estimate } = job;
    const sending = job.body.for(target.model, streamOptions);
    const request = {
      method: exchange.method,
      path: endpoint.path + job.query,
      headers: requestHeaders(job.headers, target.provider.apiKey, sending),
      body: sending.body,
    };
    const { send: through } = connectionOf(target.provider);
    return {
      exchange,
      target,
      targets: job.resolution.targets,
      endpoint,
      streaming,
      send: through,
      request,
      choices: job.facts.answers,
      // What the client did not ask for it must not see.
      stripUsage: streamOptions,
      estimate,
      drain: isFetch(exchange) ? null : drain,
      control,
      report,
    };
  }

  function block(target: Target, effect: Verdict['effect'], endpoint: string): void {
    if (effect === null) return;
    const { obstacle, scope, forMs, source } = effect;
    const key = scope === 'provider' ? target.provider.name : target.id;
    // What a key may not do, or a model cannot, at one endpoint it may well at another.
    const byEndpoint = source === 'http_403' || source === 'http_404';
    availability.block(key, obstacle, Date.now() + forMs, { source, endpoint: byEndpoint ? endpoint : null });
  }

  async function fetchModels(provider: ProviderConfig, signal: AbortSignal): Promise<unknown> {
    const headers = requestHeaders({}, provider.apiKey, { length: null, asItIs: false });
    const cancel = createCancel();
    if (signal.aborted) cancel.cancel();
    signal.addEventListener('abort', cancel.cancel.bind(cancel), { once: true });
    const request = { method: 'GET', path: '/models', headers, body: null, cancel };
    const { status, body } = await connectionOf(provider).send(request);
    const bytes = await body.whole(MAX_MODELS_BYTES);
    if (status !== 200) throw new Error(`GET /models answered ${status}.`);
    return parseList(bytes);
  }

  function connectionOf({ name }: ProviderConfig): Connection {
    const connection = connections.get(name);
    if (connection === undefined) throw new Error(`No connection to the provider "${name}".`);
    return connection;
  }

  return {
    send,
    fetchModels,
    async pass(job, target, control) {
      const record = begin(job.exchange, target);
      const result = await attempt(work(job, target, false, control, noReport), record);
      if ('answer' in result) return result;
      note(job.exchange, record, result.failure, target, control);
      return { control, failure: result.failure, target, action: 'stop' };
    },
    async close() {
      await Promise.all([...connections.values()].map((connection) => connection.close()));
    },
  };
}

/** Not when it was the client that left, and one answer is read on for the record. */
function wasOutrun({ cancelled }: Exchange, failure: Failure, { lost }: Control): boolean {
  return failure.kind === 'cancelled' && lost && cancelled === null;
}

/** What is fetched, a file for instance, was paid for before, if at all: there is no usage to read on for. */
function isFetch({ method }: Exchange): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** An error of `JSON.parse` would quote what it could not read. */
function parseList(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new Error('GET /models answered something that is not JSON.');
  }
}

/** What a failure says of the next target. */
function learn(progress: Progress, target: Target, failure: Failure, { action, effect }: Verdict): void {
  if (effect === null) progress.setTried(target.id);
  if (failure.kind === 'answer') {
    const now = Date.now();
    const asked = readCooldown(target.provider.type, failure.headers, failure.body, now);
    if (asked !== null) progress.askedToWait(target.id, now + asked.forMs);
  }
  if (action === 'larger') {
    progress.largerThan = Math.max(progress.largerThan ?? 0, target.declared?.context ?? 0);
  }
}

/** Writes a failed try into its record. */
function note(exchange: Exchange, record: Attempt, failure: Failure, target: Target, control: Control): void {
  if (failure.kind === 'cancelled') {
    record.reason = control.lost ? 'hedge_lost' : exchange.cancelled;
    if (exchange.cancelled === 'client_gone') conclude(exchange, 'aborted', 'client_gone');
  } else if (failure.kind === 'broken') {
    record.reason = failure.endReason;
    record.error = hideSecret(failure.message, target.provider);
  } else {
    record.reason = `http_${failure.status}`;
    record.error = hideSecret(upstreamMessage(failure.body), target.provider).slice(0, 500);
  }
}
