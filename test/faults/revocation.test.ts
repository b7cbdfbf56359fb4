import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { ask, closeConnections, type Reply, signIn } from './clients.ts';
import { addUsers, type Cluster, type Instance, startCluster, type TestUser } from './cluster.ts';
import { type Counts, Listener, ProbeRecord, Prober, type Victim, victimOf } from './probes.ts';

const FULL = process.env['CASTELLAN_FAULTS'] === 'full';
/** Users of each kind in one window, of which a window has 20 sessions times this. */
const SCALE = FULL ? 9 : 1;
/** The full run's faults last longer, and what was revoked is watched for longer after them. */
const STRETCH = FULL ? 2.5 : 1;
const WATCH_MS = FULL ? 6_000 : 1_000;
const ADMIN = 'admin@castellan.local';
const LEASE_MS = 3_000;
const SIGN_INS_AT_ONCE = 20;

interface Fault {
  readonly name: string;
  /** Of the attack that it is, which stands in the title. */
  readonly attack?: string;
  /** Revocations are spread over this time, from the start of the fault. */
  readonly spreadMs: number;
  /** Makes it and, when it returns, has undone it. */
  readonly run: (cluster: Cluster) => Promise<void>;
  /** Whether nothing can be committed meanwhile. */
  readonly stopsCommits?: boolean;
  /** Whether somebody cannot acknowledge, so that receipts have to wait for its lease to run out. */
  readonly silences?: boolean;
}

const FAULTS: readonly Fault[] = [
  { name: 'none', spreadMs: 2_500 * STRETCH, run: () => lasting(3_000) },
  {
    name: 'lost hints',
    attack: 'AC-03: ',
    spreadMs: 2_500 * STRETCH,
    async run({ instances: [first] }) {
      if (first === undefined) throw new TypeError('there is no instance');
      first.redisProxy.deaf = true;
      await lasting(3_500);
      first.redisProxy.deaf = false;
      expect(first.redisProxy.lost).toBeGreaterThan(0);
    },
  },
  {
    name: 'Redis killed',
    spreadMs: 2_500 * STRETCH,
    async run({ redis }) {
      await redis.kill9();
      await lasting(4_000);
      await redis.restart();
    },
  },
  {
    name: 'Redis flushed',
    spreadMs: 2_000 * STRETCH,
    async run({ redis }) {
      const endsAtMs = performance.now() + 2_500 * STRETCH;
      while (performance.now() < endsAtMs) {
        await redis.flush();
        await pause(20);
      }
    },
  },
  {
    name: 'instance stopped',
    attack: 'AC-05: ',
    silences: true,
    spreadMs: 1_200,
    async run({ instances: [, second] }) {
      second?.pause();
      // Those asked for at the end of the spread are to be enforced while it is still stopped.
      await pause(1_200 + LEASE_MS + 700);
      second?.resume();
    },
  },
  {
    name: 'PostgreSQL stopped',
    spreadMs: 3_000,
    stopsCommits: true,
    async run({ postgres }) {
      await pause(500);
      await postgres.stop();
      await lasting(LEASE_MS + 500);
      await postgres.start();
    },
  },
];

let cluster: Cluster;
let probers: readonly Prober[];
const record = new ProbeRecord();
const listeners: Listener[] = [];

beforeAll(async () => {
  cluster = await startCluster(3);
  probers = cluster.instances.map((instance) => new Prober(instance, record));
  for (const prober of probers) await prober.start();
}, 60_000);

afterAll(async () => {
  for (const instance of cluster.instances) if (instance.paused) instance.resume();
  for (const prober of probers) await prober.stop();
  closeConnections();
  await cluster.close();
}, 60_000);

test.each(
  FAULTS.map((fault) => [`${fault.attack ?? ''}what is enforced is refused everywhere: ${fault.name}`, fault] as const),
)(
  '%s',
  async (_, fault) => {
    const startedAtMs = performance.now();
    const before = { ...record.counts };
    const admin = await signIn(at(0).url, ADMIN);
    const victims = await makeVictims();
    const own = await openListeners(victims);
    record.victims.push(...victims);
    for (const victim of victims) await Promise.all(probers.map((prober) => prober.burst(victim)));
    await until('every victim was honoured on every instance over both transports', () =>
      victims.every(({ honouredOn }) => honouredOn.size >= cluster.instances.length * 2),
    );

    record.internalAllowed = fault.stopsCommits === true;
    const [revocations] = await Promise.all([revokeAll(victims, admin.token, fault), fault.run(cluster)]);
    await pause(WATCH_MS);
    record.internalAllowed = false;
    const ends = await Promise.all(own.map(endOf));
    print(fault, victims, revocations, difference(before, record.counts), performance.now() - startedAtMs);

    expect(record.violations).toEqual([]);
    expect(record.unexpected.splice(0)).toEqual([]);
    expect(victims.filter(({ enforcedAtMs, unconfirmed }) => enforcedAtMs === Infinity && !unconfirmed)).toEqual([]);
    expect(revocations.filter(isConfirmed).length).toBeGreaterThan(revocations.length / 2);
    const byTime = revocations.filter(isConfirmed).filter(({ receipt }) => receipt.acknowledged < receipt.instances);
    expect(byTime.length).toBeGreaterThanOrEqual(fault.silences === true ? 1 : 0);
    for (const end of ends) expect(end).toEqual({ last: 'AccessEnded SESSION_REVOKED', code: 4401, toldTooLate: [] });
    expect(cluster.instances.filter(({ running }) => !running).map(({ lines }) => lines.at(-1))).toEqual([]);
    expect(record.counts.afterEnforced - before.afterEnforced).toBeGreaterThan(victims.length * probers.length);
  },
  FULL ? 180_000 : 90_000,
);

test(
  'what was revoked stays revoked when all is over',
  async () => {
    const enforced = record.victims.filter(({ enforcedAtMs }) => enforcedAtMs !== Infinity);
    for (const victim of enforced) await Promise.all(probers.map((prober) => prober.burst(victim)));

    const unconfirmed = record.victims.filter((victim) => victim.unconfirmed);
    expect(enforced.length + unconfirmed.length).toBe(FAULTS.length * 20 * SCALE);
    expect(record.violations).toEqual([]);
    expect(record.unexpected.splice(0)).toEqual([]);
  },
  FULL ? 180_000 : 60_000,
);

function at(index: number): Instance {
  const instance = cluster.instances[index % cluster.instances.length];
  if (instance === undefined) throw new TypeError(`there is no instance ${index}`);
  return instance;
}

/** Sessions that end alone, sessions that end with their user, and sessions that lose a role. */
async function makeVictims(): Promise<readonly Victim[]> {
  const alone = await addUsers(cluster, 6 * SCALE);
  const together = await addUsers(cluster, 2 * SCALE);
  const supporters = await addUsers(cluster, 4 * SCALE, { support: true });
  const [carol] = alone;
  if (carol === undefined) throw new TypeError('there are no users');
  const making = [
    ...[...alone, ...alone].map((user) => () => makeVictim('revokeSession', user, user.id)),
    ...[...together, ...together].map((user) => () => makeVictim('disableUser', user, user.id)),
    ...supporters.map((user) => () => makeVictim('revokeRole', user, user.supportGrantId, carol)),
  ];
  const victims: Victim[] = [];
  // All at once they would wait for each other's passwords longer than a sign-in may take.
  for (let next = 0; next < making.length; next += SIGN_INS_AT_ONCE) {
    victims.push(...(await Promise.all(making.slice(next, next + SIGN_INS_AT_ONCE).map((make) => make()))));
  }
  return victims;
}

/** What is named when the victim's right is taken away. */
const targets = new Map<Victim, string>();
let turn = 0;

async function makeVictim(how: Victim['how'], user: TestUser, target: string, other?: TestUser): Promise<Victim> {
  const { sessionId, token } = await signIn(at((turn += 1)).url, user.email);
  const victim = victimOf({ how, userId: user.id, sessionId, token }, other?.id);
  targets.set(victim, how === 'revokeSession' ? sessionId : target);
  return victim;
}

/** A sample of those whose sessions end holds a socket of its own, on one instance after the other. */
async function openListeners(victims: readonly Victim[]): Promise<readonly Listener[]> {
  const sample = victims.filter(({ how }, index) => how !== 'revokeRole' && index % 4 === 0);
  const own = await Promise.all(sample.map((victim, index) => Listener.open(at(index), victim)));
  listeners.push(...own);
  return own;
}

interface Receipt {
  readonly enforced: boolean;
  readonly instances: number;
  readonly acknowledged: number;
  readonly waitedMs: number;
}

interface Revocation {
  /** Null when there is none to be had: see {@link revoke}. */
  readonly receipt: Receipt | null;
  readonly tries: number;
}

function isConfirmed(revocation: Revocation): revocation is Revocation & { receipt: Receipt } {
  return revocation.receipt !== null;
}

/** One after the other, round-robin over the instances, none waiting for the one before. */
async function revokeAll(victims: readonly Victim[], token: string, fault: Fault): Promise<readonly Revocation[]> {
  const groups = new Map<string, Victim[]>();
  for (const victim of victims) {
    const target = targets.get(victim) ?? '';
    groups.set(target, [...(groups.get(target) ?? []), victim]);
  }
  const everyMs = fault.spreadMs / groups.size;
  const running: Promise<Revocation>[] = [];
  for (const [target, group] of groups) {
    running.push(revoke(running.length, target, group, token));
    await pause(everyMs);
  }
  return Promise.all(running);
}

const MUTATIONS: Readonly<Record<Victim['how'], string>> = {
  revokeSession: 'mutation ($id: ID!) { done: revokeSession(id: $id) { receipt { ...all } } }',
  disableUser: 'mutation ($id: ID!) { done: disableUser(id: $id) { receipt { ...all } } }',
  revokeRole: 'mutation ($id: ID!) { done: revokeRole(grantId: $id) { receipt { ...all } } }',
};
const RECEIPT = 'fragment all on Receipt { enforced instances acknowledged waitedMs }';

/** Asks until a receipt says that it is enforced, each time another instance. */
async function revoke(turn: number, id: string, group: readonly Victim[], token: string): Promise<Revocation> {
  const [first] = group;
  if (first === undefined) throw new TypeError('there is nobody to revoke');
  for (const victim of group) victim.askedAtMs = performance.now();
  for (let tries = 1; ; tries += 1) {
    const serving = cluster.instances.filter(({ paused }) => !paused);
    const instance = serving[(turn + tries) % serving.length] ?? at(0);
    const reply = await ask(instance.url, `${MUTATIONS[first.how]} ${RECEIPT}`, { token, variables: { id } });
    const receipt = (reply.data?.['done'] as { receipt: Receipt } | null | undefined)?.receipt;
    if (receipt?.enforced === true) {
      for (const victim of group) victim.enforcedAtMs = reply.answeredAtMs;
      for (const victim of group) for (const prober of probers) background(prober.burst(victim));
      for (const listener of listeners) if (group.includes(listener.victim)) background(listener.probe(record));
      return { receipt, tries };
    }
    // A grant whose removal was answered with a fault, or without confirmation, cannot be removed again.
    if (tries > 1 && first.how === 'revokeRole' && reply.codes.includes('NOT_FOUND')) {
      for (const victim of group) victim.unconfirmed = true;
      return { receipt: null, tries };
    }
    // What is not committed or not confirmed is asked for again until it is.
    if (receipt === undefined && !isExcused(reply))
      throw new Error(`${first.how} was answered with ${reply.status} ${reply.codes.join(', ')}`);
    await pause(100);
  }
}

function isExcused({ codes }: Reply): boolean {
  return codes.includes('AUTHORITY_UNAVAILABLE') || (record.internalAllowed && codes.includes('INTERNAL'));
}

/** Probes note what they find, failures included. */
function background(work: Promise<void>): void {
  work.catch((error: unknown) => record.failed('a probe', error));
}

/** How a listener's subscription and socket ended, and whether it was told of what happened after its own end. */
async function endOf(listener: Listener): Promise<{ last: string | undefined; code: number; toldTooLate: string[] }> {
  await listener.over;
  const code = await listener.closed;
  const { events, told, victim } = listener;
  const toldTooLate = told
    .filter(({ sessionId }) => {
      const about = record.victims.find((other) => other.sessionId === sessionId);
      return about !== undefined && about.askedAtMs >= victim.enforcedAtMs;
    })
    .map(({ sessionId }) => sessionId);
  return { last: events.at(-1), code, toldTooLate };
}

async function until(what: string, done: () => boolean): Promise<void> {
  const giveUpAtMs = performance.now() + 20_000;
  while (!done()) {
    if (performance.now() > giveUpAtMs)
      throw new Error(`it never came that ${what}: ${record.unexpected.slice(0, 5).join('; ')}`);
    await pause(5);
  }
}

async function lasting(ms: number): Promise<void> {
  await pause(ms * STRETCH);
}

function difference(before: Counts, after: Counts): Counts {
  const entries = Object.entries(after).map(([name, count]) => [name, count - before[name as keyof Counts]]);
  return Object.fromEntries(entries) as Counts; // the same names
}

function print(
  { name }: Fault,
  victims: readonly Victim[],
  revocations: readonly Revocation[],
  counts: Counts,
  ms: number,
): void {
  const confirmed = revocations.filter(isConfirmed);
  const waits = confirmed.map(({ receipt }) => receipt.waitedMs).toSorted((a, b) => a - b);
  const quantile = (q: number): string => (waits[Math.ceil(waits.length * q) - 1] ?? 0).toFixed(0);
  const full = confirmed.filter(({ receipt }) => receipt.acknowledged === receipt.instances).length;
  const again = revocations.filter(({ tries }) => tries > 1).length;
  const probes = Object.entries(counts).map(([what, count]) => `${what} ${count}`);
  process.stdout.write(
    `${name}: ${victims.length} sessions, ${confirmed.length} receipts (${revocations.length - confirmed.length} not to be had, ${full} by all acknowledgements, ${again} asked for again), ` +
      `waitedMs p50 ${quantile(0.5)} p95 ${quantile(0.95)} max ${quantile(1)}; probes: ${probes.join(', ')}; ` +
      `${record.violations.length} violations; ${(ms / 1_000).toFixed(1)} s\n`,
  );
}
