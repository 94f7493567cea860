import type { Quota } from '../../routing/quota.js';
import { countOf } from './count.js';
import { resetAt } from './duration.js';

/** One member of a structured field: `"burst";r=9;t=1` or `remaining=50`. */
interface Member {
  name: string;
  parameters: ReadonlyMap<string, string>;
}

/**
 * What `ratelimit` and `ratelimit-policy` say, in both forms: `"default";r=50;t=30` with `"default";q=100;w=60`
 * (draft-ietf-httpapi-ratelimit-headers, from 08) and `limit=100, remaining=50, reset=30` with `100;w=60` (07).
 */
export function structuredQuotas(state: string, policy: string, now: number): Quota[] {
  const policies = membersOf(policy);
  const members = membersOf(state);
  const old = new Map(members.map(({ name, parameters }) => [name, parameters.get('')]));
  if (old.get('remaining') !== undefined)
    return [oldForm(old, policies, now)].filter((quota) => quota !== null);
  return members.map((member) => quotaOf(member, policies, now)).filter((quota) => quota !== null);
}

function oldForm(
  values: ReadonlyMap<string, string | undefined>,
  policies: readonly Member[],
  now: number,
): Quota | null {
  const remaining = countOf(values.get('remaining'));
  if (remaining === null) return null;
  const limit = countOf(values.get('limit'));
  const policy = policies.find(({ name }) => limit !== null && countOf(name) === limit);
  return {
    resource: 'requests',
    windowMs: secondsOf(policy?.parameters.get('w')),
    limit,
    remaining,
    resetAt: momentOf(values.get('reset'), now),
    source: 'ratelimit',
  };
}

function quotaOf(member: Member, policies: readonly Member[], now: number): Quota | null {
  const remaining = countOf(member.parameters.get('r'));
  const policy = policies.find(({ name }) => name === member.name)?.parameters;
  const resource = resourceOf(policy?.get('qu'));
  if (remaining === null || resource === null) return null;
  return {
    resource,
    windowMs: secondsOf(policy?.get('w')),
    limit: countOf(policy?.get('q')),
    remaining,
    resetAt: momentOf(member.parameters.get('t'), now),
    source: 'ratelimit',
  };
}

/** The quota's unit: requests unless it is said; `content-bytes` and `concurrent-requests` are none of ours. */
function resourceOf(unit: string | undefined): Quota['resource'] | null {
  if (unit === undefined || unit === 'requests') return 'requests';
  return unit === 'tokens' ? 'tokens' : null;
}

function secondsOf(value: string | undefined): number | null {
  const seconds = countOf(value);
  return seconds === null ? null : seconds * 1000;
}

function momentOf(value: string | undefined, now: number): number | null {
  return value === undefined ? null : resetAt(value, now);
}

function membersOf(text: string): Member[] {
  return split(text, /(?:"[^"]*"|[^,"])+/g).map((member) => {
    const [head = '', ...rest] = split(member, /(?:"[^"]*"|[^;"])+/g);
    const [name, value] = pair(head);
    const parameters = new Map(rest.map(pair));
    if (value !== '') parameters.set('', value);
    return { name, parameters };
  });
}

function split(text: string, piece: RegExp): string[] {
  return text.match(piece) ?? [];
}

/** `w=60` as a name and a value, without quotes. */
function pair(text: string): [name: string, value: string] {
  const at = text.indexOf('=');
  const name = at < 0 ? text : text.slice(0, at);
  return [bareOf(name), at < 0 ? '' : bareOf(text.slice(at + 1))];
}

function bareOf(text: string): string {
  return text.trim().replace(/^"|"$/g, '');
}
