// Compiled, not run: what a host app in TypeScript sees after importing nothing but the package.
import Fastify, { type FastifyInstance } from 'fastify';
import gateway, { type GatewayOptions, type GatewayPluginOptions, type Ledger } from 'fastify-llm-gateway';

const app = Fastify();

app.register(gateway);
app.register(gateway, { prefix: '/ai', logLevel: 'warn' });
app.register(gateway, {
  prefix: '/ai',
  database: { path: './gateway.db' },
  keys: [{ name: 'web', key: 'sk-gateway-0123456789', scopes: ['proxy'] }],
  providers: {
    groq: { type: 'groq', timeouts: { firstByte: '30s' } },
    lab: { type: 'openai-compatible', baseUrl: 'http://127.0.0.1:8000/v1' },
  },
  routes: { fast: { strategy: 'priority', targets: ['groq/llama-3.1-8b-instant'] } },
});

// @ts-expect-error no such strategy
app.register(gateway, { routes: { fast: { strategy: 'fastst', targets: ['groq/m'] } } });
// @ts-expect-error no such option
app.register(gateway, { provider: {} });
// @ts-expect-error no such option of a provider
app.register(gateway, { providers: { lab: { type: 'openai', baseURL: 'http://127.0.0.1:8000/v1' } } });
// @ts-expect-error no such type of provider
app.register(gateway, { providers: { lab: { type: 'opnai' } } });
// @ts-expect-error a route needs targets
app.register(gateway, { routes: { fast: {} } });
// @ts-expect-error true is no database
app.register(gateway, { database: true });
// @ts-expect-error no such scope
app.register(gateway, { keys: [{ name: 'web', key: 'sk-gateway-0123456789', scopes: ['write'] }] });

export const options: GatewayPluginOptions = { prefix: '/ai', ownsServer: true, drainTimeout: '5s' };
export const configuration: GatewayOptions = { providers: { main: { type: 'echo' } } };

export function augmented(scope: FastifyInstance): void {
  const ledger: Ledger = scope.gatewayLedger;
  const inFlight: number = scope.gatewayExchanges.size;
  scope.log.info({ inFlight, dropped: ledger.health().dropped });
  scope.addHook('onResponse', async (request) => {
    const tokens: number | null | undefined = request.exchange?.usage?.outputText;
    const id: string | undefined = request.exchange?.id;
    request.log.info({ id, tokens });
    // @ts-expect-error null on routes that are not recorded
    request.exchange.id;
  });
  scope.get('/own', { config: { gateway: { scope: 'read', record: false } } }, async () => 'ok');
  // @ts-expect-error no such scope
  scope.get('/other', { config: { gateway: { scope: 'write', record: false } } }, async () => 'ok');
}
