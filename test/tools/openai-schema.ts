/** The part of a JSON schema that an example needs. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  const?: unknown;
  enum?: unknown[];
  example?: unknown;
  default?: unknown;
  nullable?: boolean;
  minimum?: number;
  allOf?: Schema[];
  oneOf?: Schema[];
  anyOf?: Schema[];
  required?: string[];
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  items?: Schema;
  minItems?: number;
}

/** A JSON object. */
export type Json = Record<string, unknown>;

/** Makes examples of schemas. The same schema always gives the same example. */
export interface Examples {
  of(schema: Schema, name?: string): unknown;
  /** The alternatives of a union, those of nested unions too. */
  variants(schema: Schema): Schema[];
  schema(name: string): Schema;
}

export interface Limits {
  /** Objects nested deeper than this carry their required properties only. */
  optionalDepth: number;
  /** Nothing optional is nested deeper than this: arrays are empty, and references end. */
  depth: number;
  /** Whether a nullable `error` is there: one that is belongs to what failed. */
  errors: boolean;
}

/** Text that shows whether anybody on the way has read it as something other than UTF-8, or re-encoded it. */
const TEXT = 'Grüße, 世界 😀 \u2028 "\\/';
const SECONDS = 1_700_000_000;
/** Alternatives that one array shows. */
const VARIANTS = 3;

export function createExamples(schemas: Record<string, Schema>, limits: Limits): Examples {
  function schema(name: string): Schema {
    const found = schemas[name];
    if (found === undefined) throw new Error(`The specification has no schema ${name}.`);
    return found;
  }

  function resolve(given: Schema): Schema {
    return given.$ref === undefined
      ? given
      : resolve(schema(given.$ref.replace('#/components/schemas/', '')));
  }

  function variants(given: Schema): Schema[] {
    const resolved = resolve(given);
    const union = resolved.oneOf ?? resolved.anyOf;
    if (union === undefined) return resolved.type === 'null' ? [] : [resolved];
    return union.flatMap(variants);
  }

  function example(given: Schema, name: string, depth: number): unknown {
    const from = resolve(given);
    if (from.const !== undefined) return from.const;
    if (from.enum !== undefined) return from.enum[0];
    if (from.allOf !== undefined) return merged(from, name, depth);
    if (from.oneOf !== undefined || from.anyOf !== undefined) {
      const first = variants(from)[0];
      return first === undefined ? null : example(first, name, depth);
    }
    const type = typeOf(from);
    if (type === 'object') return object(from, depth);
    if (type === 'array') return array(from, name, depth);
    if (typeof from.example === type) return from.example;
    if (type === 'boolean') return from.default ?? true;
    if (type === 'integer' || type === 'number') {
      if (/(_at|_time|^created)$/.test(name)) return SECONDS;
      return from.minimum ?? (type === 'integer' ? 3 : 0.25);
    }
    return type === 'string' ? text(from, name) : null;
  }

  function merged(from: Schema, name: string, depth: number): unknown {
    const { allOf = [], ...own } = from;
    const parts = own.properties === undefined ? allOf : [...allOf, own];
    const values = parts.map((part) => example(part, name, depth));
    return values.every(isObject) ? Object.assign({}, ...values) : values[0];
  }

  function object(from: Schema, depth: number): Json {
    const made: Json = {};
    for (const [key, property] of Object.entries(from.properties ?? {})) {
      const required = from.required?.includes(key) ?? false;
      if (!required && depth >= limits.optionalDepth) continue;
      if (depth >= limits.depth && !isScalar(property)) {
        if (required) made[key] = isNullable(property) ? null : least(property, key, depth);
      } else if (
        !limits.errors &&
        /^(last_error|error|incomplete_details)$/.test(key) &&
        isNullable(property)
      )
        made[key] = null;
      else made[key] = example(property, key, depth + 1);
    }
    const rest = from.additionalProperties;
    if (isObject(rest) && depth < limits.depth) made.key = example(rest, 'key', depth + 1);
    return made;
  }

  /** What must be there although it lies too deep. */
  function least(property: Schema, name: string, depth: number): unknown {
    // A schema that must contain itself has no example; none of the specification's does.
    if (depth > limits.depth + 6) throw new Error(`${name} is nested too deep.`);
    return example(property, name, depth + 1);
  }

  function array(from: Schema, name: string, depth: number): unknown[] {
    if (from.items === undefined || (depth > limits.depth && from.minItems === undefined)) return [];
    const { items } = from;
    const kinds = variants(items);
    const union = kinds.length > 1 && kinds.every((kind) => typeOf(kind) === 'object');
    // Lists come with two items, so that a second page has something to follow.
    if (name === 'data' && !union)
      return [example(items, 'item', depth + 1), example(items, 'item', depth + 1)];
    const shown = union && depth <= limits.optionalDepth ? kinds.slice(0, VARIANTS) : [items];
    return shown.map((kind) => example(kind, name, depth + 1));
  }

  function isScalar(property: Schema): boolean {
    const type = typeOf(variants(property)[0] ?? {});
    return type !== 'object' && type !== 'array';
  }

  function isNullable(property: Schema): boolean {
    const resolved = resolve(property);
    const union = resolved.oneOf ?? resolved.anyOf ?? [];
    return (
      resolved.nullable === true ||
      resolved.type === 'null' ||
      (Array.isArray(resolved.type) && resolved.type.includes('null')) ||
      union.some(isNullable)
    );
  }

  return { of: (given, name = '') => example(given, name, 0), variants, schema };
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function typeOf(from: Schema): string | undefined {
  if (Array.isArray(from.type)) return from.type.find((type) => type !== 'null');
  if (from.type !== undefined) return from.type;
  return (from.properties ?? from.additionalProperties ?? from.allOf) ? 'object' : undefined;
}

function text(from: Schema, name: string): string {
  if (from.format === 'date-time') return '2026-01-02T03:04:05Z';
  if (from.format === 'uri') return 'https://example.com/a?b=c&d=%20';
  if (/(^|_)id$/.test(name)) return `${name}-abc123`;
  return /text|content|delta|input|message|refusal/.test(name) ? TEXT : name;
}
