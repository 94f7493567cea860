import { post } from '../helpers/gateway.js';

/** Asks again until it is so, for five seconds. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error('It did not come to this within 5 s.');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The ids that `GET /v1/models` lists. */
export async function models(url: string, headers: Record<string, string> = {}): Promise<string[]> {
  const response = await fetch(`${url}/v1/models`, { headers });
  return ((await response.json()) as { data: { id: string }[] }).data.map(({ id }) => id);
}

/** Status, id and owner of `GET /v1/models/:id`. */
export async function retrieve(url: string, id: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}/v1/models/${encodeURIComponent(id)}`, { headers });
  const body = (await response.json()) as { id?: string; owned_by?: string };
  return [response.status, body.id, body.owned_by];
}

/** A chat with this model. */
export function ask(url: string, model: string): Promise<Response> {
  return post(`${url}/v1/chat/completions`, { model, messages: [{ role: 'user', content: 'Hi' }] });
}
