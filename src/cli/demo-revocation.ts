import type { House } from './demo-house.ts';
import { bounded, type Arrival, type Instance } from './demo-instance.ts';
import { check, duration, type Say } from './demo-narrator.ts';
import { BOB, data, type Person, personOf, type Receipt, RECEIPT, refresh, signIn, told } from './demo-people.ts';
import type { Listeners } from './demo-sockets.ts';

const REVOKED = 'SESSION_REVOKED';
const CLOSE_REVOKED = 4401;

export async function revoke(a: Instance, alice: Person, bob: Person, listeners: Listeners, say: Say): Promise<void> {
  const query = `mutation ($id: ID!) { revokeSession(id: $id) { receipt { ${RECEIPT} } } }`;
  const sentAtMs = performance.now();
  const answer = await a.ask<{ revokeSession: { receipt: Receipt } }>(query, { id: bob.sessionId }, alice.accessToken);
  // Taken before anything else may arrive: what is not here now came too late.
  const returnedAtMs = performance.now();
  const news = { A: listeners.onA.arrivals.at(-1), B: listeners.onB.arrivals.at(-1) };

  const { receipt } = data(answer).revokeSession;
  for (const [name, last] of Object.entries(news)) sayEnd(name, last, sentAtMs, returnedAtMs, say);
  say(`revokeSession returned after ${duration(returnedAtMs - sentAtMs)}: ${told(receipt)}`);
  say('The news was there before the revocation was acknowledged.');

  for (const [name, { closed }] of Object.entries({ A: listeners.onA, B: listeners.onB })) {
    const { code, atMs } = await bounded(closed, `the socket to ${name} is closed`);
    check(code === CLOSE_REVOKED, `the socket to ${name} is closed with ${CLOSE_REVOKED}, not ${code}`);
    say(`The socket to ${name} was closed with ${code} after ${duration(atMs - sentAtMs)}.`);
  }
}

function sayEnd(name: string, last: Arrival | undefined, sentAtMs: number, returnedAtMs: number, say: Say): void {
  check(last !== undefined && last.atMs <= returnedAtMs, `the news reached ${name} before the mutation returned`);
  const { __typename: type, code } = last.event;
  check(type === 'AccessEnded' && code === REVOKED, `the last event on ${name} is AccessEnded ${REVOKED}`);
  say(`${name}: ${type} ${code} after ${duration(last.atMs - sentAtMs)}`);
}

export async function oldTokenIsDead({ a, b }: House, token: string, say: Say): Promise<void> {
  for (const instance of [a, b]) {
    const { name } = instance;
    const { status, code, tookMs } = await instance.ask('{ me { id } }', {}, token);
    check(status === 401 && code === REVOKED, `${name} refuses the token over HTTP`);
    const close = await instance.closeCodeFor(token);
    check(close === CLOSE_REVOKED, `${name} closes a new WebSocket with ${CLOSE_REVOKED}, not ${close}`);
    say(`${name}: HTTP ${status} ${code} (${duration(tookMs)}), a new WebSocket is closed with ${close}`);
  }
}

export async function rotate({ a, b }: House, say: Say): Promise<{ readonly first: Person; readonly last: Person }> {
  const first = await signIn(b, BOB);
  const second = personOf(data(await refresh(a, first.refreshToken)).refreshSession);
  const last = personOf(data(await refresh(b, second.refreshToken)).refreshSession);
  const tokens = new Set([first, second, last].map(({ refreshToken }) => refreshToken));
  check(tokens.size === 3 && last.sessionId === first.sessionId, 'each refresh replaces the token of the same session');
  const { code } = await a.ask('{ me { id } }', {}, last.accessToken);
  check(code === null, 'the newest access token is good');
  say('three refresh tokens of one session; only the last is good');
  return { first, last };
}

export async function replay({ a, b }: House, first: Person, last: Person, say: Say): Promise<void> {
  const replayed = await refresh(a, first.refreshToken);
  check(replayed.code === REVOKED, 'a refresh token that was replaced twice is refused');
  say(`refreshSession with it, on A: ${replayed.code}`);
  const newest = await refresh(b, last.refreshToken);
  check(newest.code === REVOKED, 'the newest refresh token of the family is dead, too');
  say(`refreshSession with Bob's newest, on B: ${newest.code}: the whole family is dead`);
  for (const { name, ask } of [a, b].map((one) => ({
    name: one.name,
    ask: () => one.ask('{ me { id } }', {}, last.accessToken),
  }))) {
    const { status, code } = await ask();
    check(status === 401 && code === REVOKED, `${name} refuses the newest access token`);
    say(`the newest access token, on ${name}: HTTP ${status} ${code}`);
  }
}
