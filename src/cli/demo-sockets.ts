import type { House } from './demo-house.ts';
import { type Arrival, type Listener, until } from './demo-instance.ts';
import { check, duration, type Say } from './demo-narrator.ts';
import { grant, type Person, told } from './demo-people.ts';

/** What Bob has open: a subscription on each instance, each on a socket of its own. */
export interface Listeners {
  readonly onA: Listener;
  readonly onB: Listener;
}

const ENDED = '... on AccessEnded { code reason }';

export async function listen({ a, b }: House, bob: Person, say: Say): Promise<Listeners> {
  const sessionEvents = `subscription { sessionEvents { __typename ${ENDED} } }`;
  const permissionsChanged = `subscription { permissionsChanged { __typename ... on PermissionsChanged { rules } ${ENDED} } }`;
  const onA = await a.listen('sessionEvents', sessionEvents, bob.accessToken);
  say('sessionEvents over a WebSocket to A');
  const onB = await b.listen('permissionsChanged', permissionsChanged, bob.accessToken);
  say('permissionsChanged over a WebSocket to B');
  return { onA, onB };
}

export async function endListening({ onA, onB }: Listeners): Promise<void> {
  await Promise.all([onA.dispose(), onB.dispose()]);
}

export async function rulesArrive({ a, b }: House, alice: Person, bob: Person, onB: Listener, say: Say): Promise<void> {
  const query = '{ viewerAbility { rules } }';
  const before = (await b.ask<{ viewerAbility: { rules: unknown[] } }>(query, {}, bob.accessToken)).data;
  const sentAtMs = performance.now();
  const receipt = await grant(a, alice.accessToken, bob.id, 'support');
  say(`grantRole support, through A: ${told(receipt)}`);

  await until(() => onB.arrivals.length > 0, 'the new rules arrive at B');
  const [{ event, atMs }] = onB.arrivals as [Arrival];
  const rules = event['rules'] as readonly unknown[];
  check(event.__typename === 'PermissionsChanged', 'what arrives is PermissionsChanged');
  const rulesBefore = before?.viewerAbility.rules.length ?? 0;
  check(rules.length > rulesBefore, 'Bob has more rules than before');
  say(
    `permissionsChanged on B, ${duration(atMs - sentAtMs)} after Alice began: ${rulesBefore} rules became ${rules.length}`,
  );
}
