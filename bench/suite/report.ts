import type { LaneResult, MetricName, Metrics } from './metrics.js';

interface Column {
  readonly metric: MetricName;
  readonly title: string;
  format(value: number): string;
}

const us = (value: number) => `${value.toFixed(value < 10 ? 2 : 1)} us`;
const ms = (value: number) => `${value.toFixed(Math.abs(value) < 10 ? 2 : 0)} ms`;
const count = (value: number) => Math.round(value).toLocaleString('en-US');
const times = (value: number) => `${value.toFixed(2)} x`;
const percent = (value: number) => `${(value * 100).toFixed(1)} %`;
const megabytes = (value: number) => `${(value / 1e6).toFixed(0)} MB`;

/** In the order they are shown; those that a lane has no figures for are left out. */
const columns: readonly Column[] = [
  { metric: 'cpu', title: 'CPU', format: us },
  { metric: 'cpuRatio', title: 'to floor', format: times },
  { metric: 'rate', title: 'a second', format: count },
  { metric: 'offered', title: 'sent a second', format: count },
  { metric: 'rateRatio', title: 'to floor', format: times },
  { metric: 'core', title: 'core', format: percent },
  { metric: 'clients', title: 'clients', format: percent },
  { metric: 'onTime', title: 'on time', format: percent },
  { metric: 'stall', title: 'stall', format: ms },
  { metric: 'p50', title: 'p50', format: ms },
  { metric: 'p99', title: 'p99', format: ms },
  { metric: 'addedP50', title: 'added p50', format: ms },
  { metric: 'addedP99', title: 'added p99', format: ms },
  { metric: 'firstP50', title: 'first p50', format: ms },
  { metric: 'firstP99', title: 'first p99', format: ms },
  { metric: 'addedFirstP50', title: 'added p50', format: ms },
  { metric: 'addedFirstP99', title: 'added p99', format: ms },
  { metric: 'delayP99', title: 'loop p99', format: ms },
  { metric: 'start', title: 'first answer', format: ms },
  { metric: 'idle', title: 'idle RSS', format: megabytes },
  { metric: 'peak', title: 'peak RSS', format: megabytes },
  { metric: 'perStream', title: 'a stream', format: (value) => `${(value / 1e3).toFixed(0)} kB` },
];

/** A lane as a table for a terminal. */
export function textOf({ name, title, unit, rows }: LaneResult): string {
  const table = tableOf(rows);
  const widths = table[0]?.map((_, at) => Math.max(...table.map((cells) => cells[at]?.length ?? 0))) ?? [];
  const lines = table.map((cells) =>
    cells
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  '),
  );
  return [`${name}: ${title} (CPU and rate of ${unit}s)`, ...lines.map((line) => `  ${line}`), ''].join('\n');
}

/** A lane as a Markdown table. */
export function markdownOf({ name, title, unit, rows }: LaneResult): string {
  const [head = [], ...body] = tableOf(rows);
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = `|---|${head
    .slice(1)
    .map(() => '--:|')
    .join('')}`;
  return [
    `**\`${name}\`**: ${title}. CPU and rate of ${unit}s.`,
    '',
    line(head),
    rule,
    ...body.map(line),
    '',
  ].join('\n');
}

function tableOf(rows: LaneResult['rows']): string[][] {
  const shown = columns.filter(({ metric }) => rows.some(({ median }) => median[metric] !== undefined));
  return [
    ['', ...shown.map(({ title }) => title)],
    ...rows.map(({ subject, median }) => [subject, ...shown.map((column) => cellOf(column, median))]),
  ];
}

function cellOf({ metric, format }: Column, figures: Metrics): string {
  const value = figures[metric];
  return value === undefined || Number.isNaN(value) ? '' : format(value);
}
