import Type from 'typebox';
import Value from 'typebox/value';
import { KeyNameSchema, type KeyTermsOptions, KeyTermsSchema } from '../config/schema.js';
import type { KeyConfig, KeyTerms } from '../config.js';
import { shownKey } from './secret.js';
import type { StoredKey } from './table.js';

/** A key as the API shows it. Its secret is not known to the gateway, and its hash nobody's business. */
export interface KeyJson {
  id: string | null;
  name: string;
  /** How it begins; null for keys of the configuration. */
  key: string | null;
  source: 'configuration' | 'database';
  scopes: readonly string[];
  routes: readonly string[] | null;
  models: readonly string[] | null;
  limits: Record<string, number> | null;
  budget: { usd: number; per: string; kind: string } | null;
  policy: string | null;
  capture: string | null;
  tags: readonly string[];
  created_at: string | null;
  created_by: string | null;
  expires_at: string | null;
  revoked_at: string | null;
  /** Until when the key before the last rotation works. */
  previous_until: string | null;
}

const NANO = 1e9;
const closed = { additionalProperties: false };
const { limits, expires, ...terms } = KeyTermsSchema.properties;

/** The names of limits as the API writes them. */
const limitNames: ReadonlyMap<string, string> = new Map(
  Object.keys(limits.properties).map((name) => [snakeCase(name), name]),
);
const LimitsBody = Type.Object(
  Object.fromEntries(
    [...limitNames.keys()].map((name) => [name, Type.Optional(Type.Integer({ minimum: 1 }))]),
  ),
  closed,
);
const fields = { ...terms, limits: Type.Optional(LimitsBody), expires_at: expires };

/** The body of `POST /admin/keys`. */
export const NewKeySchema = Type.Object({ name: KeyNameSchema, ...fields }, closed);
export type NewKey = Type.Static<typeof NewKeySchema>;

const nullable = <Schema extends Type.TSchema>(schema: Schema) =>
  Type.Optional(Type.Union([schema, Type.Null()]));

/** The body of `PATCH /admin/keys/:id`: what is null goes back to its default. */
export const KeyChangesSchema = Type.Object(
  {
    scopes: nullable(terms.scopes),
    routes: nullable(terms.routes),
    models: nullable(terms.models),
    limits: nullable(LimitsBody),
    budget: nullable(terms.budget),
    policy: nullable(terms.policy),
    capture: nullable(terms.capture),
    tags: nullable(terms.tags),
    expires_at: nullable(expires),
  },
  closed,
);
export type KeyChanges = Type.Static<typeof KeyChangesSchema>;

/** The terms after some of them were changed; `body` is a new key's or the changes of one. */
export function changedTerms(
  { limits: newLimits, expires_at: expiresAt, ...rest }: Omit<NewKey, 'name'> | KeyChanges,
  before: KeyTermsOptions = {},
): KeyTermsOptions {
  const changes: Record<string, unknown> = { ...rest };
  if (newLimits !== undefined) changes.limits = newLimits === null ? null : camelLimits(newLimits);
  if (expiresAt !== undefined) changes.expires = expiresAt;
  const merged = Object.entries({ ...before, ...changes });
  const terms: unknown = Object.fromEntries(merged.filter(([, value]) => value != null));
  if (Value.Check(KeyTermsSchema, terms)) return terms;
  throw new Error('The terms of a key do not come together.');
}

/** What a key of the database looks like from outside. */
export function storedKeyJson(key: StoredKey): KeyJson {
  return {
    id: key.id,
    name: key.name,
    key: key.secretId === null ? null : shownKey(key.secretId),
    source: 'database',
    ...termsJson(key.terms),
    created_at: instant(key.createdAt),
    created_by: key.createdBy,
    revoked_at: instant(key.revokedAt),
    previous_until: instant(key.previousUntil),
  };
}

/** What a key of the configuration looks like from outside. */
export function configuredKeyJson({ name, ...key }: KeyConfig): KeyJson {
  return {
    id: null,
    name,
    key: null,
    source: 'configuration',
    ...termsJson(key),
    created_at: null,
    created_by: null,
    revoked_at: null,
    previous_until: null,
  };
}

function termsJson({
  scopes,
  routes,
  models,
  limits: given,
  budget,
  policy,
  capture,
  tags,
  expiresAt,
}: KeyTerms) {
  return {
    scopes,
    routes,
    models,
    limits: given === null ? null : snakeLimits(given),
    budget: budget === null ? null : { usd: budget.nano / NANO, per: budget.per, kind: budget.kind },
    policy,
    capture,
    tags,
    expires_at: instant(expiresAt),
  };
}

function camelLimits(body: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => [limitNames.get(name) ?? name, value]),
  );
}

function snakeLimits(given: object): Record<string, number> {
  const known = Object.entries(given).filter(([, value]) => typeof value === 'number');
  return Object.fromEntries(known.map(([name, value]) => [snakeCase(name), Number(value)]));
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The last moment that a date can be. */
const END_MS = 8.64e15;

function instant(ms: number | null): string | null {
  return ms === null ? null : new Date(Math.min(ms, END_MS)).toISOString();
}
