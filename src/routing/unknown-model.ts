import type { Config } from '../config.js';
import { GatewayError } from '../errors.js';

/** The caller's key is bound to routes, and this is, or may be, none of them. */
export function notAllowed(model: string): GatewayError {
  const message = `This API key may not use the model ${quote(model)}.`;
  return new GatewayError('insufficient_permissions', message, { param: 'model' });
}

/** Nothing has this name; the message helps to find what was meant. */
export function notFound(config: Pick<Config, 'providers'>, model: string): GatewayError {
  const message = `No route, alias or model is named ${quote(model)}. ${hint(config, model)}`;
  return new GatewayError('model_not_found', message, { param: 'model' });
}

/** The caller asks for a provider that is not there. */
export function noProvider(config: Pick<Config, 'providers'>, name: string): GatewayError {
  const known = Object.keys(config.providers).join(', ');
  const message = `x-gateway-provider names ${quote(name)}; there are ${known}.`;
  return new GatewayError('invalid_request_error', message, { param: 'x-gateway-provider' });
}

const MAX_QUOTED = 100;

/** A caller's string, safe and short enough for an error message. */
function quote(value: string): string {
  return JSON.stringify(value.length > MAX_QUOTED ? `${value.slice(0, MAX_QUOTED)}…` : value);
}

function hint(config: Pick<Config, 'providers'>, model: string): string {
  const providers = Object.values(config.providers);
  const named = model.slice(0, Math.max(0, model.indexOf('/')));
  if (named !== '' && !providers.some(({ name }) => name === named)) {
    return `There is no provider ${quote(named)}; there are ${providers.map(({ name }) => name).join(', ')}.`;
  }
  const open = providers.find(
    ({ models, discover }) => discover === null && Object.keys(models).length === 0,
  );
  if (open === undefined || model.includes('/')) return 'GET /v1/models lists what there is.';
  return `Address a provider's model as provider/model, for example ${quote(`${open.name}/${model}`)}.`;
}
