import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { Balancer, isReady } from '../faults/balancer.ts';
import { ask, closeConnections, signIn, Socket } from '../faults/clients.ts';
import { addUsers, type Instance, type TestUser } from '../faults/cluster.ts';
import { Listener, ProbeRecord, Prober, type Victim, victimOf } from '../faults/probes.ts';
import { RenameLoad } from '../faults/rename-load.ts';
import { SessionLoad } from '../faults/session-load.ts';
import { codesOfReplay, rotate } from '../faults/session-steps.ts';
import { TIMING } from '../../src/domain/authority/timing.ts';
import { untilSo } from '../support/until.ts';
import { adminAt, type ApiKey, askAll, createApiKey, enforce, foundIn } from './asking.ts';
import { type Fleet, startFleet, type Version } from './fleet.ts';

/**
 * That the version before can serve beside this one: on the tables as this one has them, and with what this one says to it. What one
 * test leaves is what the next one starts from, as in an upgrade that is done step by step. Run by `npm run test:versions`.
 */

const ROUNDS = 40;
const LANES = 2;
/** What is done by clients before the next step is taken. */
const WHILE = 60;
const TEST_MS = 300_000;

let fleet: Fleet;
let balancer: Balancer;
let sessions: SessionLoad;
let renames: RenameLoad;
let carol: TestUser;
/** What somebody had before there was anything of this version. */
let old: { readonly victim: Victim; readonly listeners: readonly Listener[]; readonly key: ApiKey };

beforeAll(async () => {
  fleet = await startFleet(process.env['PREVIOUS_FOLDER'] ?? '');
  expect(await fleet.migrate('before')).toMatchObject({ code: 0 });
  for (let n = 0; n < 2; n += 1) await fleet.add('before');
  balancer = new Balancer(fleet.instances);
  [carol = carol] = await addUsers(fleet, 1);
  sessions = new SessionLoad(fleet.instances, (query, options) => balancer.ask(query, options));
  sessions.excuseNothing();
  sessions.start(await addUsers(fleet, LANES));
  renames = new RenameLoad(balancer, await addUsers(fleet, LANES));
  await sessions.reached(WHILE);
  const [{ id: userId, email } = carol] = await addUsers(fleet, 1);
  const session = await signIn(at(0).url, email);
  const victim = victimOf({ how: 'revokeSession', userId, ...session });
  const listeners = await Promise.all(fleet.instances.map((instance) => Listener.open(instance, victim)));
  old = { victim, listeners, key: await createApiKey(at(1), session.token) };
}, 180_000);

afterEach(() => {
  const failures = [...sessions.problems.splice(0), ...renames.failures.splice(0)];
  if (failures.length > 0) {
    const logged = fleet.instances.flatMap(({ lines }) => lines.filter((line) => line.startsWith('{')).slice(-3));
    say(`the instances said last:\n${logged.join('\n')}`);
  }
  expect(failures).toEqual([]);
});

afterAll(async () => {
  await Promise.all([sessions?.stop(), renames?.stop()]);
  await balancer?.stop();
  closeConnections();
  await fleet?.close();
}, 60_000);

test(
  'no request fails while this version migrates the database that the one before serves from',
  async () => {
    const { code, stdout, stderr } = await fleet.migrate('this');
    expect([code, stderr]).toEqual([0, '']);
    say(`migrated: ${stdout.split('\n')[0]}`);
    await sessions.reached(WHILE);
  },
  TEST_MS,
);

test(
  'no request fails while instances of this version start beside those of the one before',
  async () => {
    for (let n = 0; n < 2; n += 1) {
      await fleet.add('this');
      await sessions.reached(WHILE);
    }
    expect(await Promise.all(fleet.instances.map(isReady))).toEqual([true, true, true, true]);
  },
  TEST_MS,
);

test(
  'a session, a socket and an API key from before the migration are good at both versions, until this one ends them',
  async () => {
    const { victim, listeners, key } = old;
    const [own] = fleet.of('this');
    expect(await meAt(victim.token)).toEqual(everywhere('found'));
    expect(await keyAt(key.secret)).toEqual(everywhere('found'));
    await enforce(own ?? at(0), victim.token, 'revokeApiKey', { id: key.id });
    expect(await keyAt(key.secret)).toEqual(everywhere('SESSION_REVOKED'));
    await enforce(own ?? at(0), victim.token, 'revokeSession', { id: victim.sessionId });
    expect(await meAt(victim.token)).toEqual(everywhere('SESSION_REVOKED'));
    await expectEnded(listeners);
  },
  TEST_MS,
);

test(
  'a session that either version started is good at the other, and refreshed by both at once it has one successor',
  async () => {
    const users = await addUsers(fleet, ROUNDS);
    for (const [round, { email }] of users.entries()) {
      const [home, other] = pairOf(round);
      const { token, refreshToken } = await signIn(home.url, email);
      expect(await meAt(token)).toEqual(everywhere('found'));
      const [one, two] = await Promise.all([rotate(home, refreshToken), rotate(other, refreshToken)]);
      expect(two.refreshToken).toBe(one.refreshToken);
      // As if both answers had been lost.
      expect((await rotate(at(round + 1), refreshToken)).refreshToken).toBe(one.refreshToken);
      const next = await rotate(other, one.refreshToken);
      for (const { accessToken } of [one, two, next]) expect(await meAt(accessToken)).toEqual(everywhere('found'));

      // Whoever shows it now has stolen it.
      expect(await codesOfReplay(home, { refreshToken })).toEqual(['SESSION_REVOKED']);
      expect(await meAt(next.accessToken)).toEqual(everywhere('SESSION_REVOKED'));
      expect(await codesOfReplay(other, { refreshToken: next.refreshToken })).toEqual(['SESSION_REVOKED']);
    }
  },
  TEST_MS,
);

test(
  'what either version revokes is refused by all instances of both from the receipt on, and ended on every open socket',
  () => expectRevocations(ROUNDS),
  TEST_MS,
);

test(
  'a role that one version gives and the other one takes decides at both, at once',
  async () => {
    const roleId = await roleNamed('support');
    const users = await addUsers(fleet, ROUNDS / 2);
    for (const [round, { id, email }] of users.entries()) {
      const [giver, taker] = pairOf(round);
      const { token } = await signIn(taker.url, email);
      const admin = await adminAt(giver);
      expect(await carolAt(token)).toEqual(everywhere('not found'));
      const { grant } = await enforce(giver, admin, 'grantRole', { principalId: id, roleId });
      expect(await carolAt(token)).toEqual(everywhere('found'));
      await enforce(taker, admin, 'revokeRole', { id: grant?.id });
      expect(await carolAt(token)).toEqual(everywhere('not found'));
    }
  },
  TEST_MS,
);

test(
  'a policy with another role that one version applies, and the other one takes back, decides at both at once',
  async () => {
    const [user] = await addUsers(fleet, 1);
    for (let round = 0; round < ROUNDS / 4; round += 1) {
      const [one, other] = pairOf(round);
      const { token } = await signIn(other.url, user?.email ?? '');
      const admin = await adminAt(one);
      const { files, version } = await policyAt(one, admin);
      const more = { path: 'readers.yaml', text: READERS };
      await enforce(one, admin, 'applyPolicy', { files: [...files, more], expectedVersion: version });
      const applied = await policyAt(other, admin);
      expect(applied.files.map(({ path }) => path)).toContain('readers.yaml');
      const granting = { principalId: user?.id, roleId: await roleNamed('reader') };
      const { grant } = await enforce(other, admin, 'grantRole', granting);
      expect(await carolAt(token)).toEqual(everywhere('found'));
      await enforce(other, admin, 'applyPolicy', { files, expectedVersion: applied.version });
      expect(await carolAt(token)).toEqual(everywhere('not found'));
      await enforce(one, admin, 'revokeRole', { id: grant?.id });
    }
  },
  TEST_MS,
);

test(
  'an API key that one version made is good at both, and refused by both once either has replaced or revoked it',
  async () => {
    const users = await addUsers(fleet, ROUNDS / 2);
    for (const [round, { email }] of users.entries()) {
      const [one, other] = pairOf(round);
      const { token } = await signIn(one.url, email);
      const { id, secret: first } = await createApiKey(one, token);
      expect(await keyAt(first)).toEqual(everywhere('found'));
      const { secret: second = '' } = await enforce(other, token, 'rotateApiKey', { id });
      expect(await keyAt(first)).toEqual(everywhere('TOKEN_EXPIRED'));
      expect(await keyAt(second)).toEqual(everywhere('found'));
      await enforce(at(round), token, 'revokeApiKey', { id });
      expect(await keyAt(second)).toEqual(everywhere('SESSION_REVOKED'));
    }
  },
  TEST_MS,
);

test(
  'no request fails while the instances of the version before leave',
  async () => {
    await expectToLeave('before');
    expect(serving()).toEqual(fleet.of('this'));
    await expectRevocations(4);
  },
  TEST_MS,
);

test('the audit log that both versions wrote is whole', expectWholeLog, TEST_MS);

test(
  'going back, the version before starts on the database as this one has left it, serves, and revokes at both',
  async () => {
    for (const instance of fleet.of('before')) {
      await instance.start();
      await untilSo('it is sent requests', () => Promise.resolve(balancer.has(instance)));
      await sessions.reached(WHILE);
    }
    await expectRevocations(ROUNDS / 4);
    await expectToLeave('this');
    expect(serving()).toEqual(fleet.of('before'));
    await expectRevocations(ROUNDS / 4);
  },
  TEST_MS,
);

test(
  'when all is over no session is lost, none that ended comes back, and each change was carried out once',
  async () => {
    await Promise.all([sessions.stop(), renames.stop()]);
    await sessions.verify();
    const { acknowledged, carriedOut } = await renames.changes(fleet);
    expect(carriedOut).toEqual(acknowledged);
    const { counts, live, ended } = sessions;
    say(
      `${renames.asked} questions and changes, ${JSON.stringify(counts)}, ${live.size} live and ${ended.length} ended sessions`,
    );
    await expectWholeLog({ unchained: 0 });
  },
  TEST_MS,
);

const READERS = `roles:
  reader:
    allow:
      - { action: read, subject: User }
`;

function serving(): readonly Instance[] {
  return fleet.instances.filter(({ running }) => running);
}

function at(round: number): Instance {
  const all = serving();
  const instance = all[round % all.length];
  if (instance === undefined) throw new TypeError('nobody serves');
  return instance;
}

/** One of each version, in turn this one first or the other one. */
function pairOf(round: number): readonly [Instance, Instance] {
  const [before, own] = (['before', 'this'] as const).map((version) => fleet.of(version)[(round >> 1) % 2]);
  if (before === undefined || own === undefined) throw new TypeError('there are not two of each');
  return round % 2 === 0 ? [before, own] : [own, before];
}

function everywhere(answer: string): readonly string[] {
  return serving().map(() => answer);
}

async function meAt(token: string): Promise<readonly string[]> {
  return foundIn(await askAll(serving(), '{ found: me { id } }', { token }));
}

async function carolAt(token: string): Promise<readonly string[]> {
  return foundIn(await askAll(serving(), `{ found: user(id: "${carol.id}") { id } }`, { token }));
}

async function keyAt(apiKey: string): Promise<readonly string[]> {
  return foundIn(await askAll(serving(), '{ found: me { id } }', { apiKey }));
}

async function roleNamed(name: string): Promise<string> {
  const [role] = await fleet.postgres.query<{ id: string }>('select id from roles where name = $1', [name]);
  return role?.id ?? '';
}

async function policyAt({ url }: Instance, token: string) {
  const { data } = await ask(url, '{ policy { version files { path text } } }', { token });
  return data?.['policy'] as { version: string; files: readonly { path: string; text: string }[] };
}

/** Each by another instance, of a session that holds a socket at every one of them. */
async function expectRevocations(rounds: number): Promise<void> {
  const record = new ProbeRecord();
  const users = await addUsers(fleet, rounds);
  let soon = 0;
  const waits: number[] = [];
  for (const [round, { id: userId, email }] of users.entries()) {
    const how = round % 3 === 2 ? 'disableUser' : 'revokeSession';
    const victim = victimOf({ how, userId, ...(await signIn(at(round + 1 + (round >> 2)).url, email)) });
    record.victims.push(victim);
    const listeners = await Promise.all(serving().map((instance) => Listener.open(instance, victim)));
    await probe(victim, listeners, record);
    expect(record.unexpected).toEqual([]);
    expect(victim.honouredOn.size).toBe(2 * listeners.length);

    const admin = await adminAt(at(round));
    victim.askedAtMs = performance.now();
    const target = how === 'disableUser' ? userId : victim.sessionId;
    const { receipt, atMs } = await enforce(at(round), admin, how, { id: target });
    victim.enforcedAtMs = atMs;
    expect(receipt.instances).toBe(listeners.length);
    if (receipt.acknowledged === receipt.instances && receipt.waitedMs < TIMING.pollMs) soon += 1;
    waits.push(receipt.waitedMs);
    await probe(victim, listeners, record);
    await expectEnded(listeners);
  }
  const { honoured, refused } = record.counts;
  const median = waits.toSorted((a, b) => a - b)[rounds >> 1];
  say(
    `${rounds} revocations at ${serving().length} instances: ${soon} receipts by hints, half of them within ${median} ms; ` +
      `${honoured} answers before, ${refused} refused after`,
  );
  expect(record.violations).toEqual([]);
  expect(record.unexpected).toEqual([]);
  expect(record.counts.refused).toBeGreaterThanOrEqual(rounds * serving().length);
  // Those of one version have understood what the other said through Redis: others come through rows, a second later.
  expect(soon).toBeGreaterThanOrEqual(rounds * 0.75);
}

async function expectEnded(listeners: readonly Listener[]): Promise<void> {
  for (const { over, closed, events } of listeners) {
    await over;
    expect([events.at(-1), await closed]).toEqual(['AccessEnded SESSION_REVOKED', 4401]);
  }
}

/** Over HTTP and over its own sockets, at every instance at once. */
async function probe(victim: Victim, listeners: readonly Listener[], record: ProbeRecord): Promise<void> {
  await Promise.all([
    ...serving().map((instance) => new Prober(instance, record).overHttp(victim)),
    ...listeners.map((listener) => listener.probe(record)),
  ]);
}

/** One after the other, while clients go on. */
async function expectToLeave(version: Version): Promise<void> {
  for (const instance of fleet.of(version)) {
    const socket = await Socket.open(instance.url, null);
    expect(await instance.terminate()).toBe(0);
    expect(await socket.closed).toBe(1001);
    await sessions.reached(WHILE);
  }
}

async function expectWholeLog({ unchained }: { unchained?: number } = {}): Promise<void> {
  let found = { unchained: 0, entries: 0, problems: [] as readonly object[] };
  await untilSo('all is chained', async () => {
    const { stdout } = await fleet.castellan('this', ['audit', 'verify', '--json']);
    found = JSON.parse(stdout) as typeof found;
    return unchained === undefined || found.unchained === unchained;
  });
  expect(found.problems).toEqual([]);
  expect(found.entries).toBeGreaterThan(WHILE);
  say(`the audit log has ${found.entries} entries, and no problems`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
