import Type from 'typebox';
import Value from 'typebox/value';
import type { Expanded } from './environment.js';
import { closest, formatPath, type Path, type Problems } from './problems.js';

/** Names that are refused everywhere, because plain objects elsewhere could trip over them. */
const RESERVED = ['__proto__', 'constructor', 'prototype'];
/** Values at these keys are never printed, nor is text with an `@`: what stands before one may be a password. */
const SECRET = ['key', 'apiKey', 'keySecret', 'secret', 'url'];
const MAX_PRINTED = 60;

/**
 * Checks data against a schema, walking objects, records and arrays itself and leaving the leaves to TypeBox:
 * TypeBox's own error list ends after eight errors and cannot say which branch of a union was meant.
 * Returns what is usable (always valid for the schema), or undefined if nothing is. A string that came out of an
 * environment variable becomes the number or boolean that the schema wants.
 */
export function checkShape(schema: Type.TSchema, expanded: Expanded, problems: Problems): unknown {
  const { origins } = expanded;

  function check(schema: Type.TSchema, value: unknown, path: Path): unknown {
    if (Type.IsObject(schema)) return checkObject(schema, value, path);
    if (Type.IsRecord(schema)) return checkRecord(schema, value, path);
    if (Type.IsArray(schema)) return checkArray(schema, value, path);
    if (Type.IsUnion(schema) && typeof value === 'object' && value !== null) {
      const isMeant = Array.isArray(value) ? Type.IsArray : Type.IsObject;
      const branch = schema.anyOf.find((option) => isMeant(option));
      if (branch !== undefined) return check(branch, value, path);
    }
    return checkLeaf(schema, value, path);
  }

  function checkObject(schema: Type.TObject, value: unknown, path: Path): unknown {
    if (!isPlainObject(value)) return reject(path, `must be an object, got ${kindOf(value)}`);
    const known = Object.keys(schema.properties);
    for (const name of Object.keys(value)) {
      if (known.includes(name)) continue;
      const meant = closest(name, known);
      const hint = meant === null ? `known here: ${known.join(', ')}` : `did you mean "${meant}"?`;
      problems.add([...path, name], `is not a known key (${hint})`);
    }
    const result: Record<string, unknown> = Object.create(null);
    let complete = true;
    for (const [name, property] of Object.entries(schema.properties)) {
      const given = Object.hasOwn(value, name);
      if (!given && !Type.IsOptional(property)) reject([...path, name], 'is missing');
      const checked = given ? check(property, value[name], [...path, name]) : undefined;
      if (checked !== undefined) result[name] = checked;
      else if (!Type.IsOptional(property)) complete = false;
    }
    return complete ? result : undefined;
  }

  function checkRecord(schema: Type.TRecord, value: unknown, path: Path): unknown {
    if (!isPlainObject(value)) return reject(path, `must be an object, got ${kindOf(value)}`);
    const names =
      'propertyNames' in schema && Type.IsString(schema.propertyNames) ? schema.propertyNames : null;
    const result: Record<string, unknown> = Object.create(null);
    for (const [name, item] of Object.entries(value)) {
      if (RESERVED.includes(name)) {
        reject([...path, name], 'is a reserved name');
      } else if (names !== null && !Value.Check(names, name)) {
        reject([...path, name], `is not ${expectation(names)}`);
      } else {
        const checked = check(Type.RecordValue(schema), item, [...path, name]);
        if (checked !== undefined) result[name] = checked;
      }
    }
    return result;
  }

  /** All or nothing, so that later messages name the indices the user wrote. */
  function checkArray(schema: Type.TArray, value: unknown, path: Path): unknown {
    if (!Array.isArray(value)) return reject(path, `must be an array, got ${kindOf(value)}`);
    const items = value.map((item: unknown, index) => check(schema.items, item, [...path, index]));
    if (items.includes(undefined)) return undefined;
    return Value.Check(schema, items) ? items : reject(path, 'must not be empty');
  }

  function checkLeaf(schema: Type.TSchema, value: unknown, path: Path): unknown {
    if (problems.under(path)) return undefined;
    if (Value.Check(schema, value)) return value;
    const variables = origins.get(formatPath(path));
    if (variables !== undefined && typeof value === 'string') {
      const converted = fromText(value);
      if (Value.Check(schema, converted)) return converted;
      return reject(
        path,
        `must be ${expectation(schema)}, but ${variables.join(' and ')} holds something else`,
      );
    }
    return reject(path, `must be ${expectation(schema)}, got ${printable(value, path)}`);
  }

  function reject(path: Path, message: string): undefined {
    problems.add(path, message);
  }

  return check(schema, expanded.value, []);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fromText(text: string): unknown {
  if (text === 'true') return true;
  if (text === 'false') return false;
  return text.trim() === '' ? text : Number(text);
}

/** What a schema wants, as the end of "must be ...". */
function expectation(schema: Type.TSchema): string {
  const described = 'expects' in schema ? schema.expects : undefined;
  if (typeof described === 'string') return described;
  if (Type.IsEnum(schema)) return `one of ${schema.enum.join(', ')}`;
  if (Type.IsBoolean(schema)) return 'true or false';
  return 'something else';
}

function printable(value: unknown, path: Path): string {
  const secret = SECRET.includes(String(path.at(-1)));
  if (secret || (typeof value === 'object' && value !== null) || typeof value === 'function') {
    return kindOf(value);
  }
  if (typeof value !== 'string') return String(value);
  if (value.includes('@')) return 'something else';
  return JSON.stringify(value.length > MAX_PRINTED ? `${value.slice(0, MAX_PRINTED)}...` : value);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
