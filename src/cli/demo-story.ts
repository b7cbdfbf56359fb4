import { ALICE, House } from './demo-house.ts';
import type { Instance } from './demo-instance.ts';
import { check, type Narrator, type Say } from './demo-narrator.ts';
import { BOB, data, type Person, short, signIn } from './demo-people.ts';
import { oldTokenIsDead, replay, revoke, rotate } from './demo-revocation.ts';
import { endListening, listen, rulesArrive } from './demo-sockets.ts';

type Undo = (step: () => Promise<void>) => void;

/** The main job, told aloud. Every claim is checked; what does not hold throws. */
export async function tellStory(narrator: Narrator, undo: Undo): Promise<void> {
  const step: Narrator['step'] = (title, work) => narrator.step(title, work);
  const house = await step('Two instances, A and B, over one PostgreSQL', (say) => open(undo, say));
  const { a, b } = house;

  const alice = await step('Alice, the administrator, creates Bob', (say) => createBob(house, say));
  const bob = await step('Bob signs in on B', (say) => signInBob(b, say));
  await step('Bob asks what he may do, and is allowed', (say) => ask(b, bob, say));
  await step('Bob oversteps, and is refused', (say) => refuse(a, bob, alice, say));
  const listeners = await step('Bob listens, on both instances', (say) => listen(house, bob, say));
  undo(() => endListening(listeners));
  await step('Alice makes Bob support; his rules arrive', (say) => rulesArrive(house, alice, bob, listeners.onB, say));
  await step('Bob tries to disable Alice; a rule forbids it', (say) => forbid(b, bob, alice, say));
  await step("Alice revokes Bob's session, through A", (say) => revoke(a, alice, bob, listeners, say));
  await step("Bob's old token is dead, everywhere", (say) => oldTokenIsDead(house, bob.accessToken, say));
  const { first, last } = await step('Bob signs in again and refreshes twice', (say) => rotate(house, say));
  await step('A thief shows the first refresh token', (say) => replay(house, first, last, say));
}

async function open(undo: Undo, say: Say): Promise<House> {
  const house = await House.open(undo);
  say(`PostgreSQL ${house.postgresVersion}, migrated, policies loaded, in ${house.folder}`);
  say(`A is ${house.a.url}, B is ${house.b.url}`);
  return house;
}

interface User {
  readonly id: string;
  readonly roles: readonly { readonly name: string }[];
}

async function createBob({ a }: House, say: Say): Promise<Person> {
  const alice = await signIn(a, ALICE);
  say(`${ALICE.email} signs in on A: session ${short(alice.sessionId)}`);
  const query = 'mutation ($input: CreateUserInput!) { createUser(input: $input) { user { id roles { name } } } }';
  const input = { ...BOB, name: 'Bob' };
  const answer = await a.ask<{ createUser: { user: User } }>(query, { input }, alice.accessToken);
  const { id, roles } = data(answer).createUser.user;
  check(roles.map(({ name }) => name).join() === 'member', 'Bob is a member, and no more');
  say(`createUser ${BOB.email}: ${short(id)}, with the role member`);
  return alice;
}

async function signInBob(b: Instance, say: Say): Promise<Person> {
  const bob = await signIn(b, BOB);
  say(`session ${short(bob.sessionId)}, an access token and a refresh token`);
  return bob;
}

interface Decision {
  readonly allowed: boolean;
  readonly reason: string;
  readonly rule: string | null;
}

async function viewerCan(instance: Instance, by: Person, action: string, id: string): Promise<Decision> {
  const query = `query ($action: String!, $id: ID) {
    viewerCan(action: $action, subject: "User", id: $id) { allowed reason rule }
  }`;
  return data(await instance.ask<{ viewerCan: Decision }>(query, { action, id }, by.accessToken)).viewerCan;
}

async function ask(b: Instance, bob: Person, say: Say): Promise<void> {
  const { allowed, reason, rule } = await viewerCan(b, bob, 'read', bob.id);
  check(allowed && rule !== null, 'Bob may read himself');
  say('viewerCan(read, User, himself): allowed');
  say(`reason: ${reason} rule: ${rule}`);
}

const DISABLE = 'mutation ($id: ID!) { disableUser(id: $id) { user { id } } }';

/** Who may not read a user is not told that there is one. */
async function refuse(a: Instance, bob: Person, alice: Person, say: Say): Promise<void> {
  const { code, message } = await a.ask(DISABLE, { id: alice.id }, bob.accessToken);
  check(code === 'NOT_FOUND', 'Bob, who may not even read Alice, is told that she does not exist');
  say(`disableUser(Alice): ${code}, ${message}`);
  say('Who may not read a user is not told that there is one.');
  const own = await viewerCan(a, bob, 'disable', bob.id);
  check(!own.allowed, 'Bob may not disable himself');
  say(`viewerCan(disable, User, himself): denied. reason: ${own.reason}`);
}

async function forbid(b: Instance, bob: Person, alice: Person, say: Say): Promise<void> {
  const { code, message, rule } = await b.ask(DISABLE, { id: alice.id }, bob.accessToken);
  check(code === 'FORBIDDEN' && rule !== null, 'the deny rule of support keeps Bob from disabling Alice');
  say(`disableUser(Alice): ${code}, ${message}`);
  const decision = await viewerCan(b, bob, 'disable', alice.id);
  check(!decision.allowed && decision.rule === rule, 'viewerCan names the same rule');
  say(`viewerCan(disable, User, Alice): denied by ${decision.rule}`);
}
