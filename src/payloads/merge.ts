import { isRecord } from '../stream/json.js';

/** Members that are said again in every delta, or once; all other text is a piece of something longer. */
const WHOLE = new Set(['id', 'type', 'role', 'format', 'encrypted_content', 'object', 'model']);
/** More elements than this are no answer of a model; to look for their places would take too long. */
const MAX_ELEMENTS = 1000;

/**
 * Adds a delta of a chat stream to what the ones before made up: texts are joined, lists go by the `index` of their
 * elements, objects member by member, and anything else is the last that was said.
 */
export function mergeDelta(into: Record<string, unknown>, delta: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(delta)) {
    // Set on a plain object, it would be no member but another prototype.
    if (name !== '__proto__') into[name] = merged(name, into[name], value);
  }
}

function merged(name: string, before: unknown, value: unknown): unknown {
  if (value === null) return before ?? null;
  if (typeof value === 'string' && typeof before === 'string' && !WHOLE.has(name)) return before + value;
  if (Array.isArray(value)) return mergedList(Array.isArray(before) ? before : [], value);
  if (!isRecord(value)) return value;
  const object = isRecord(before) ? before : {};
  mergeDelta(object, value);
  return object;
}

function mergedList(list: unknown[], elements: readonly unknown[]): unknown[] {
  for (const element of elements) {
    const index = isRecord(element) ? element.index : undefined;
    const place =
      index === undefined ? undefined : list.findLast((each) => isRecord(each) && each.index === index);
    if (isRecord(place) && isRecord(element)) mergeDelta(place, element);
    else if (list.length < MAX_ELEMENTS) list.push(isRecord(element) ? copyOf(element) : element);
  }
  return list;
}

/** Through `mergeDelta`, so that what is inside is joined by the same rules. */
function copyOf(element: Record<string, unknown>): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  mergeDelta(copy, element);
  return copy;
}
