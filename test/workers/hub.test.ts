import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHub } from '../../src/workers/hub.js';
import { createMember, type Member } from '../../src/workers/member.js';

/** A hub with members that have joined, over a channel that delivers at once. */
function setUp(count: number, askMs = 1000) {
  const members = new Map<number, Member>();
  const hub = createHub((to, message) => members.get(to)?.take(message), askMs);
  for (let id = 1; id <= count; id += 1) {
    members.set(
      id,
      createMember((message) => hub.take(id, message)),
    );
  }
  for (const member of members.values()) member.join();
  const memberOf = (id: number): Member => {
    const member = members.get(id);
    assert.ok(member);
    return member;
  };
  return { hub, memberOf };
}

const never = () => new Promise<never>(() => {});

test('a question is answered by all others', async () => {
  const { memberOf } = setUp(3);
  for (const id of [1, 2, 3]) memberOf(id).answer('flush', async () => (id === 3 ? 'degraded' : 'ok'));
  const { answers, complete } = await memberOf(1).ask('flush');
  assert.deepEqual([...answers].sort(), ['degraded', 'ok']);
  assert.ok(complete);
});

test('nobody to ask is a complete answer, and so is nobody who knows', async () => {
  assert.deepEqual(await setUp(1).memberOf(1).ask('flush'), { answers: [], complete: true });
  assert.deepEqual(await setUp(2).memberOf(1).ask('keys'), { answers: [], complete: true });
});

test('an answer that rejects is none, and does not hold the others up', async () => {
  const { memberOf } = setUp(3);
  memberOf(2).answer('keys', () => Promise.reject(new Error('broken')));
  memberOf(3).answer('keys', async () => null);
  assert.deepEqual(await memberOf(1).ask('keys'), { answers: [null], complete: true });
});

test('who does not answer in time is missing, and the answer says so', async () => {
  const { memberOf } = setUp(3, 20);
  memberOf(2).answer('keys', never);
  memberOf(3).answer('keys', async () => null);
  assert.deepEqual(await memberOf(1).ask('keys'), { answers: [null], complete: false });
});

test('a worker that is gone is not waited for', async () => {
  const { hub, memberOf } = setUp(3);
  memberOf(2).answer('keys', never);
  memberOf(3).answer('keys', async () => null);
  const asked = memberOf(1).ask('keys');
  hub.leave(2);
  assert.deepEqual(await asked, { answers: [null], complete: true });
});

test('without the primary process nobody is waited for', async () => {
  const { memberOf } = setUp(2);
  memberOf(2).answer('keys', never);
  const asked = memberOf(1).ask('keys');
  memberOf(1).leave();
  assert.deepEqual(await asked, { answers: [], complete: true });
  assert.deepEqual(await memberOf(1).ask('keys'), { answers: [], complete: true });
});

test('the feed goes to those that read elsewhere, and only while they do', () => {
  const { hub, memberOf } = setUp(3);
  const heard: string[] = [];
  for (const id of [1, 2, 3]) memberOf(id).feed.onItem(({ data }) => heard.push(`${id} ${data}`));
  const wanted = () => [1, 2, 3].map((id) => memberOf(id).feed.isWanted);
  assert.deepEqual(wanted(), [false, false, false]);
  memberOf(1).feed.want(true);
  assert.deepEqual(wanted(), [false, true, true]);
  memberOf(2).feed.want(true);
  assert.deepEqual(wanted(), [true, true, true]);
  memberOf(1).feed.publish({ data: 'a', subject: '' });
  memberOf(3).feed.publish({ data: 'b', subject: '' });
  assert.deepEqual(heard, ['2 a', '1 b', '2 b']);
  memberOf(1).feed.want(false);
  assert.deepEqual(wanted(), [true, false, true]);
  hub.leave(2);
  assert.deepEqual(
    [1, 3].map((id) => memberOf(id).feed.isWanted),
    [false, false],
  );
});

test('a worker that comes later learns that somebody reads', () => {
  const { memberOf } = setUp(2);
  memberOf(1).feed.want(true);
  memberOf(2).join();
  assert.ok(memberOf(2).feed.isWanted);
});
