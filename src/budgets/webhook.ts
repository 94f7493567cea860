import { createHmac } from 'node:crypto';
import type { WebhookConfig } from '../config.js';
import type { Alert, AlertOrder } from '../db/alerts.js';
import type { LedgerLogger } from '../db/ledger.js';
import { wholeUndici } from '../upstream/undici.js';

/** Tells somebody about budgets, in its own time. */
export interface Webhook {
  /** Keeps the alert, unless it was kept before, and sends it until it is taken. Never throws. */
  raise(alert: Alert): void;
  /** What was not taken stays in the database for the next start. */
  close(): Promise<void>;
}

/** How often the database is asked for what is due, milliseconds. */
const PERIOD_MS = 2000;
const TIMEOUT_MS = 10_000;

/**
 * Sends what is in the outbox of the database, from whatever process: signed, one at a time, over connections of its
 * own. An alert that is not answered with a 2xx is sent again after 2 s, 4 s and so on, ten times.
 */
export function createWebhook(
  { url, secret }: WebhookConfig,
  orders: (order: AlertOrder) => Promise<Alert[]>,
  logger: Pick<LedgerLogger, 'warn'>,
): Webhook {
  const { origin, pathname, search } = new URL(url);
  const { Pool } = wholeUndici();
  const pool = new Pool(origin, { connections: 1, connect: { timeout: TIMEOUT_MS } });
  const stop = new AbortController();
  let working: Promise<void> | null = null;
  const timer = setInterval(work, PERIOD_MS).unref();

  async function post({ body }: Alert): Promise<void> {
    const timestamp = String(Math.floor(Date.now() / 1000));
    const signature = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
    const answer = await pool.request({
      method: 'POST',
      path: pathname + search,
      headers: {
        'content-type': 'application/json',
        'x-gateway-timestamp': timestamp,
        'x-gateway-signature': `sha256=${signature}`,
      },
      body,
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
      signal: stop.signal,
    });
    await answer.body.dump();
    if (answer.statusCode < 200 || answer.statusCode > 299) throw new Error(`status ${answer.statusCode}`);
  }

  async function deliver(alert: Alert): Promise<void> {
    try {
      await post(alert);
    } catch (error) {
      if (stop.signal.aborted) return;
      // Not the URL: its path may be a secret.
      logger.warn({ alert: alert.id, error: String(error) }, 'the budget webhook did not take an alert');
      return;
    }
    await orders({ kind: 'delivered', id: alert.id });
  }

  async function sendDue(): Promise<void> {
    for (;;) {
      const due = await orders({ kind: 'take' });
      if (due.length === 0) return;
      for (const alert of due) if (!stop.signal.aborted) await deliver(alert);
      if (stop.signal.aborted) return;
    }
  }

  function work(): void {
    working ??= sendDue()
      .catch((error) => {
        if (!stop.signal.aborted) logger.warn({ error: String(error) }, 'budget alerts cannot be read');
      })
      .finally(() => {
        working = null;
      });
  }

  return {
    raise(alert) {
      orders({ kind: 'raise', alert }).then(work, (error) =>
        logger.warn({ alert: alert.id, error: String(error) }, 'a budget alert is lost'),
      );
    },
    async close() {
      clearInterval(timer);
      stop.abort();
      await working;
      await pool.destroy();
    },
  };
}
