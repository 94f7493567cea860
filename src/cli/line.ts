import type { ExchangeSummary } from '../db/answers.js';
import { durationText, usdText } from './format.js';
import { printable } from './output.js';

const OUTCOME_WIDTH = 9;
const DURATION_WIDTH = 7;

/** One exchange in one line, for somebody who watches. */
export function exchangeLine(exchange: ExchangeSummary): string {
  const { started_at: startedAt, outcome, end_reason: endReason, status } = exchange;
  const parts = [
    startedAt.slice(11, 23),
    outcome.padEnd(OUTCOME_WIDTH),
    String(status ?? '-').padEnd(3),
    durationText(exchange.total_ms).padStart(DURATION_WIDTH),
    targetOf(exchange),
    ...labelled('first', exchange.first_content_ms, durationText),
    ...labelled('in', exchange.input_tokens, String),
    ...labelled('out', exchange.output_tokens, String),
    ...labelled('cost', exchange.cost_usd, usdText),
    ...labelled('key', exchange.key, String),
    ...labelled('session', exchange.session, String),
    ...(endReason === 'complete' ? [] : [endReason]),
    ...labelled('error', exchange.error_message, String),
  ];
  return printable(parts.join(' '));
}

/** Where it went: `route > provider/model`, or what was asked for when it came to no target. */
function targetOf({ route, provider, model, requested_model: requested, method, endpoint }: ExchangeSummary) {
  if (provider === null) return requested ?? `${method} ${endpoint}`;
  return `${route === null ? '' : `${route} > `}${provider}/${model ?? '?'}`;
}

function labelled<Value>(label: string, value: Value | null, text: (value: Value) => string): string[] {
  return value === null ? [] : [`${label} ${text(value)}`];
}
