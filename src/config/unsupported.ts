import type { Path, Problems } from './problems.js';

type Refused = (value: unknown) => boolean;
const always: Refused = () => true;
const otherThan =
  (supported: unknown): Refused =>
  (value) =>
    value !== supported;

/**
 * What the schema describes but the gateway does not do yet: refused, so that no key is accepted and ignored.
 * `*` is any name or index. Whoever implements a feature deletes its line.
 */
const unsupported: readonly (readonly [pattern: string, refused: Refused])[] = [
  ['database.capture', otherThan('none')],
  ['database.retention', always],
  ['keys.*.limits', always],
];

/** Adds `<path> is not supported yet` for everything of that table that the options use. */
export function refuseUnsupported(options: unknown, problems: Problems): void {
  for (const [pattern, refused] of unsupported) {
    for (const [path, value] of matches(options, pattern.split('.'), [])) {
      if (refused(value)) problems.add(path, 'is not supported yet');
    }
  }
}

function* matches(value: unknown, pattern: readonly string[], path: Path): Generator<[Path, unknown]> {
  const [step, ...rest] = pattern;
  if (step === undefined) {
    yield [path, value];
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, item] of Object.entries(value)) {
      if (step !== '*' && step !== name) continue;
      yield* matches(item, rest, [...path, Array.isArray(value) ? Number(name) : name]);
    }
  }
}
