import type { FastifyInstance, FastifyRequest, RouteShorthandOptions } from 'fastify';
import { GatewayError } from '../src/errors.js';
import type { ListedModel } from '../src/routing/table.js';
import { allowedTo } from './proxy.js';

/** `GET /v1/models` and `/v1/models/:id`: what a caller can name as `model`. */
export default async function models(
  app: FastifyInstance,
  { route }: { route: RouteShorthandOptions },
): Promise<void> {
  const { gatewayRouter } = app;

  app.get('/v1/models', route, async (request) => ({
    object: 'list',
    data: gatewayRouter.models(allowedTo(request.exchange)).map(modelObject),
  }));
  // Ids hold slashes, dots and colons, so the rest of the path is the id.
  app.get('/v1/models/*', route, async (request: FastifyRequest<{ Params: { '*': string } }>) => {
    const id = request.params['*'];
    const model = gatewayRouter.model(id, allowedTo(request.exchange));
    if (model !== null) return modelObject(model);
    const message = `No route, alias or model is named ${JSON.stringify(id.slice(0, 100))}.`;
    throw new GatewayError('model_not_found', message, { param: 'model' });
  });
}

function modelObject(model: ListedModel) {
  return { id: model.id, object: 'model', created: 0, owned_by: model.ownedBy };
}
