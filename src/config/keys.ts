import type { Environment } from './environment.js';
import { completeLimits } from './limits.js';
import { nanoUsd } from './prices.js';
import type { Path, Problems } from './problems.js';
import type { BudgetOptions, GatewayOptions, KeyTermsOptions } from './schema.js';
import type { BudgetConfig, KeyConfig, KeyTerms, Scope, WebhookConfig } from './types.js';
import { parseInstantText } from './units.js';

const KEY_SECRET_VARIABLE = 'LLM_GATEWAY_KEY_SECRET';

/** One key with the defaults filled in. */
export function completeKey(
  options: NonNullable<GatewayOptions['keys']>[number],
  path: Path,
  problems: Problems,
): KeyConfig {
  const { name, key, ...terms } = options;
  if (options.expires !== undefined && parseInstantText(options.expires) === null) {
    problems.add([...path, 'expires'], `is "${options.expires}", which is no day of the calendar`);
  }
  return { name, key, ...completeTerms(terms) };
}

/** What a key may be used for, with the defaults filled in. */
export function completeTerms(options: KeyTermsOptions): KeyTerms {
  const scopes: readonly Scope[] = options.scopes ?? ['proxy'];
  return {
    scopes: [...new Set(scopes)],
    routes: options.routes === undefined ? null : [...new Set(options.routes)],
    models: options.models === undefined ? null : [...new Set(options.models)],
    limits: completeLimits(options.limits),
    budget: completeBudget(options.budget),
    policy: options.policy ?? null,
    capture: options.capture ?? null,
    expiresAt: options.expires === undefined ? null : parseInstantText(options.expires),
    tags: [...new Set(options.tags)],
  };
}

/** A budget is hard unless it says otherwise. */
export function completeBudget(options: BudgetOptions | undefined): BudgetConfig | null {
  if (options === undefined) return null;
  return { nano: nanoUsd(options.usd) ?? 0, per: options.per, kind: options.kind ?? 'hard' };
}

/** What stored keys are hashed with, if the operator keeps it. */
export function keySecret(
  given: string | undefined,
  environment: Environment,
  problems: Problems,
): string | null {
  if (given !== undefined) return given;
  const found = environment[KEY_SECRET_VARIABLE] || null;
  if (found !== null && !/^[!-~]{16,}$/.test(found)) {
    problems.add(
      ['keySecret'],
      `must be at least 16 printable ASCII characters without spaces, but ${KEY_SECRET_VARIABLE} holds something else`,
    );
  }
  return found;
}

/** Where to tell about budgets. */
export function completeWebhook(
  options: GatewayOptions['webhook'],
  problems: Problems,
): WebhookConfig | null {
  if (options === undefined) return null;
  if (URL.canParse(options.url)) return { url: options.url, secret: options.secret };
  problems.add(['webhook', 'url'], 'must be a URL, got something that cannot be parsed');
  return null;
}
