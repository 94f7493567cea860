import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { ExchangeDetail } from '../../src/db/answers.js';
import { chatEvents, completion, failing, json, roleChunk, type Script, sse } from '../helpers/upstream.js';
import { closed, held, holdClock, type Member, routeOver } from './routing-setup.js';

const hedge = { delay: '40ms', maxShare: 1 };
const quota = {
  'x-ratelimit-limit-requests': '10',
  'x-ratelimit-remaining-requests': '4',
  'x-ratelimit-reset-requests': '60s',
};

function play(script: Script, response: ServerResponse): void {
  script(response, {} as never, {} as never);
}

/** Two targets whose answers are given by hand, with every body stored. */
async function twoHeld(t: TestContext, route: object = {}, more: object = {}) {
  const [one, two] = [held(), held()];
  const members: Member[] = [{ script: one.script }, { script: two.script }];
  const options = { database: { path: ':memory:', capture: 'all' as const }, ...more };
  const parts = await routeOver(t, members, { hedge, ...route }, options);

  /** The answer that is stored with an exchange, once it is over. */
  async function stored(response: Pick<Response, 'headers'>): Promise<string | null> {
    const id = response.headers.get('x-request-id');
    const detail = await (await fetch(`${parts.gateway.url}/exchanges/${id}`)).json();
    return (detail as ExchangeDetail).payloads.response?.body ?? null;
  }

  return { one, two, stored, ...parts };
}

/** The only exchange, once it is in the ledger. */
async function settled(url: string): Promise<{ data: { id: string }[] }> {
  for (;;) {
    const list = (await (await fetch(`${url}/exchanges`)).json()) as { data: { id: string }[] };
    if (list.data.length > 0) return list;
  }
}

const named = (id: string, text: string) => text.replaceAll(completion.id, id);
const answers = {
  JSON: (id: string) => json(JSON.parse(named(id, JSON.stringify(completion)))),
  stream: (id: string) => sse(chatEvents.map((event) => named(id, event))),
};

for (const [kind, answer] of Object.entries(answers)) {
  const stream = kind === 'stream';

  /** What the target that loses has said by then. */
  function begin(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json', ...quota });
    response.write(stream ? named('of-the-loser', roleChunk) : '{"id":"of-the-loser",');
  }

  for (const winner of ['first', 'second'] as const) {
    test(`${kind}: of two targets the answer that was taken is stored, here that of the ${winner}`, async (t) => {
      const { one, two, ask, stored } = await twoHeld(t);
      const asked = ask({ stream });
      const both = { first: await one.next(), second: await two.next() };
      begin(winner === 'first' ? both.second : both.first);
      play(answer('of-the-winner'), both[winner]);
      const response = await asked;
      await response.text();
      const body = await stored(response);
      assert.match(body ?? '', /of-the-winner/);
      assert.match(body ?? '', /Hello there/);
      assert.doesNotMatch(body ?? '', /of-the-loser/);
    });

    test(`${kind}: what the loser said in its headers of what is left is kept to, the ${winner} being taken`, async (t) => {
      const { one, two, ask, row } = await twoHeld(t);
      const asked = ask({ stream });
      const both = { first: await one.next(), second: await two.next() };
      const loser = winner === 'first' ? both.second : both.first;
      begin(loser);
      const lost = () => row(winner === 'first' ? 'p2' : 'p1');
      // Its head is there before the other's answer.
      while ((await lost()).quotas.length === 0);
      play(answer('of-the-winner'), both[winner]);
      await (await asked).text();
      await closed(loser);
      assert.deepEqual(
        (await lost()).quotas.map(({ resource, remaining }) => [resource, remaining]),
        [['requests', 4]],
      );
    });
  }

  test(`${kind}: of two answers that a client left to be read on, the one that is read is stored`, async (t) => {
    const { one, two, raw, stored, gateway } = await twoHeld(t, {}, { disconnect: 'drain' });
    const { outgoing } = raw({ stream });
    const [first, second] = [await one.next(), await two.next()];
    begin(second);
    outgoing.destroy();
    await closed(second);
    play(answer('read-on'), first);
    const { data } = await settled(gateway.url);
    const body = await stored({ headers: new Headers({ 'x-request-id': data[0]?.id ?? '' }) });
    assert.match(body ?? '', /read-on/);
    assert.match(body ?? '', /Hello there/);
  });

  test(`${kind}: when the first has failed and the second is read on, that of the second is stored`, async (t) => {
    const { one, two, raw, stored, gateway, row } = await twoHeld(t, {}, { disconnect: 'drain' });
    const connected = once(gateway.app.server, 'connection');
    const { outgoing } = raw({ stream });
    const [socket] = (await connected) as [Socket];
    const [first, second] = [await one.next(), await two.next()];
    play(failing(500, 'of the first'), first);
    await closed(first);
    second.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json', ...quota });
    second.flushHeaders();
    while ((await row('p2')).quotas.length === 0);
    outgoing.destroy();
    await once(socket, 'close');
    const whole = stream ? chatEvents.join('') : JSON.stringify(completion);
    second.end(named('read-on', whole));
    const { data } = await settled(gateway.url);
    const body = await stored({ headers: new Headers({ 'x-request-id': data[0]?.id ?? '' }) });
    assert.match(body ?? '', /read-on/);
  });

  test(`${kind}: of two that fail the stored answer is the one that the client got`, async (t) => {
    const { one, two, ask, stored } = await twoHeld(t);
    const asked = ask({ stream });
    const [first, second] = [await one.next(), await two.next()];
    play(failing(500, 'of the second'), second);
    await closed(second);
    play(failing(503, 'of the first'), first);
    const response = await asked;
    assert.equal(response.status, 503);
    const text = await response.text();
    assert.match(text, /of the first/);
    assert.equal(await stored(response), text);
    // And the other way round.
    const again = ask({ stream });
    const [once, more] = [await one.next(), await two.next()];
    play(failing(503, 'of the first'), once);
    await closed(once);
    play(failing(500, 'of the second'), more);
    const other = await again;
    assert.equal(await stored(other), await other.text());
  });
}

for (const stream of [false, true]) {
  test(`${stream ? 'a stream' : 'JSON'}: a target that was outrun is no longer held for the fastest`, async (t) => {
    const { one, two, ask } = await twoHeld(t, {
      strategy: 'fastest',
      hedge: { delay: '200ms', maxShare: 1 },
    });
    const clock = holdClock(t);
    const answer = stream ? answers.stream('x') : answers.JSON('x');
    const whole = async (asked: Promise<Response>) => (await asked).text();
    // Neither is known: each is asked once. The first is the faster one.
    for (const [target, ms] of [
      [one, 0],
      [two, 50],
    ] as const) {
      const asked = ask({ stream });
      const response = await target.next();
      clock.forward(ms);
      play(answer, response);
      await whole(asked);
    }
    const asked = ask({ stream });
    const slow = await one.next();
    clock.forward(60_000);
    play(answer, await two.next());
    await whole(asked);
    await closed(slow);
    const next = ask({ stream });
    const taken = await Promise.race([one.next(), two.next()]);
    play(answer, taken);
    assert.equal((await next).headers.get('x-gateway-provider'), 'p2');
  });
}
