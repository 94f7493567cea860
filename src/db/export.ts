import { type ExchangeSummary, ExchangeSummarySchema } from './answers.js';
import { summary } from './present.js';
import type { ExportFormat, ExportPart } from './reports.js';
import type { Found } from './scan.js';

/** The columns of a CSV: the names of the API, in its order. */
const NAMES = Object.keys(ExchangeSummarySchema.properties) as (keyof ExchangeSummary)[];

/** The part of an export that these rows are. */
export function exportPart({ rows, after }: Found, format: ExportFormat): ExportPart {
  const line = format === 'csv' ? csvLine : jsonLine;
  return { text: rows.map((row) => line(summary(row))).join(''), after };
}

/** What an export begins with. */
export function exportHead(format: ExportFormat): string {
  return format === 'csv' ? `${NAMES.join(',')}\r\n` : '';
}

function jsonLine(exchange: ExchangeSummary): string {
  return `${JSON.stringify(exchange)}\n`;
}

/** RFC 4180. */
function csvLine(exchange: ExchangeSummary): string {
  return `${NAMES.map((name) => csvField(exchange[name])).join(',')}\r\n`;
}

/**
 * Unknown is empty. Texts that a spreadsheet would take for a formula begin with an apostrophe, because some of them
 * are the caller's: its `x-request-id`, its session, the model it asked for.
 */
function csvField(value: ExchangeSummary[keyof ExchangeSummary]): string {
  if (value === null) return '';
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
