import { join } from 'node:path';
import type { Bench, Cell, Table } from './support/bench.ts';
import { type Child, cpuMicrosOf, refuseFewFiles, startChild } from './support/child.ts';
import { nowMs } from './support/client-process.ts';
import { type Administrator, ask } from './support/client.ts';
import { CommitTimes, KEEPS_COMMIT_TIMES, type Written } from './support/commit-times.ts';
import { type Arrived, FrameReaders } from './support/frame-readers.ts';
import { COLLECT, memoryInUse } from './support/memory-in-use.ts';
import { MAIN, type Platform, startPlatform } from './support/platform.ts';
import { Population } from './support/population.ts';
import { SessionRows } from './support/session-rows.ts';
import { median, quantile, rotated } from './support/statistics.ts';
import { issueTokens } from './support/tokens.ts';

const SUBSCRIBERS = 10_000;
/** Live ones at the end, under a limit that leaves a server so many files for all else. */
const LIVE = 19_500;
const OTHER_FILES = 500;
/** So many come beyond that. */
const BEYOND = 600;
const SERVERS = join(import.meta.dirname, 'servers');

const KEY_EVENTS = `subscription { apiKeyEvents(after: "00000000-0") { __typename
  ... on ApiKeyUpdated { apiKeyId at position } ... on Resync { position } } }`;
const SESSION_EVENTS = `subscription { sessionEvents(after: "00000000-0") { __typename
  ... on SessionRevoked { sessionId at position } ... on Resync { position } } }`;
const UPDATE = 'mutation ($id: ID!, $name: String!) { updateApiKey(id: $id, input: { name: $name }) { position } }';
const REVOKE = 'mutation ($id: ID!) { revokeSession(id: $id) { position } }';
const CREATE = 'mutation ($at: DateTime!) { createApiKey(input: { name: "bench", expiresAt: $at }) { apiKey { id } } }';

/** Has an event told. @returns what is committed with it; null where nothing is */
type Tell = (frame: string) => Promise<Written | null>;

/** A server with all its subscribers, and what makes it tell all or one of them. */
interface Candidate {
  readonly name: string;
  readonly server: Child;
  readonly readers: FrameReaders;
  readonly residentEach: number;
  readonly heapEach: number;
  readonly perSecond: number;
  readonly tellAll: Tell;
  readonly tellOne: Tell;
}

export const subscribers: Bench = {
  name: 'subscribers',
  title: `${SUBSCRIBERS.toLocaleString('en-US')} subscribers on one process: an event to all of them, to one of them, and their memory`,

  async run({ quick }): Promise<Table> {
    const count = quick ? SUBSCRIBERS / 20 : SUBSCRIBERS;
    const live = quick ? LIVE / 20 : LIVE;
    const filesMax = live + OTHER_FILES;
    refuseFewFiles(filesMax);
    const [rounds, targeted] = quick ? [3, 20] : [15, 300];
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform(KEEPS_COMMIT_TIMES));
    const castellan = await platform.startCastellan(MAIN, COLLECT, filesMax);
    const administrator = await platform.administrator(castellan);
    const commits = stack.use(await CommitTimes.open(platform.databaseUrl));
    const people = await populate(platform, castellan, administrator, live + BEYOND, targeted);

    const open = async (server: Child, tokens: readonly string[]) => {
      const readers = stack.use(new FrameReaders());
      const before = await memoryInUse(server);
      const startMs = performance.now();
      const { open: opened, refused } = await readers.open(server.url, tokens);
      if (opened !== count) throw new Error(`${opened} of ${count} sockets opened: ${JSON.stringify(refused)}`);
      await readers.subscribe(KEY_EVENTS, 'all');
      const perSecond = (count * 1_000) / (performance.now() - startMs);
      const after = await memoryInUse(server);
      const residentEach = (after.residentBytes - before.residentBytes) / count;
      const heapEach = (after.heapBytes - before.heapBytes) / count;
      return { server, readers, perSecond, residentEach, heapEach };
    };
    const bare = async (name: string, script: string, toText: (frame: string) => string): Promise<Candidate> => {
      const server = stack.use(await startChild({ script: join(SERVERS, script), execArgv: COLLECT }));
      const post = (path: string) => async (frame: string) => {
        await fetch(`${server.url}${path}`, { method: 'POST', body: toText(frame) });
        return null;
      };
      const opened = await open(
        server,
        Array.from({ length: count }, () => ''),
      );
      return { name, ...opened, tellAll: post('/all'), tellOne: post('/one') };
    };

    const written = async (mutation: string, variables: object, row: Written) => {
      await ask(castellan.url, mutation, variables, administrator.token);
      return row;
    };
    const toldOfKey = { table: 'api_keys', id: people.keyId } as const;
    let named = 0;
    const ours: Candidate = {
      name: 'Castellan, each with a user, session and rights of its own',
      ...(await open(castellan, people.tokens.slice(0, count))),
      tellAll: () => written(UPDATE, { id: toldOfKey.id, name: `bench ${(named += 1)}` }, toldOfKey),
      tellOne: () => {
        const id = people.sessions.pop() ?? '';
        return written(REVOKE, { id }, { table: 'sessions', id });
      },
    };
    const raw = await bare('raw ws, frame built once', 'raw-subscribers.ts', (frame) => frame);
    const graphqlWs = await bare('graphql-ws as it comes', 'graphql-ws.ts', eventIn);
    const candidates = [raw, graphqlWs, ours];

    const timed = (each: Candidate, tell: () => ReturnType<Tell>, frames: number) =>
      timeOf(each, tell, { frames, commits });
    // What Castellan tells is what the others send: the first round has it told, and warms all of them.
    const { frame } = await timed(ours, () => ours.tellAll(''), count);
    const all = new Map(candidates.map((each) => [each, [] as Round[]]));
    for (let round = 0; round <= rounds; round += 1) {
      for (const each of rotated(candidates, round)) {
        const told = await timed(each, () => each.tellAll(frame), count);
        if (round > 0) all.get(each)?.push(told);
      }
    }
    await ours.readers.subscribe(SESSION_EVENTS, 'own');
    const one = new Map(candidates.map((each) => [each, [] as Round[]]));
    for (let round = 0; round < targeted; round += 1) {
      for (const each of rotated(candidates, round)) {
        one.get(each)?.push(await timed(each, () => each.tellOne(frame), 1));
      }
    }
    for (const each of [raw, graphqlWs]) await each.readers[Symbol.asyncDispose]();
    const crowd = await crowded(ours, people.tokens.slice(count), { more: live - count, live });

    const floor = median((all.get(raw) ?? []).map(({ lastMs }) => lastMs));
    return {
      columns: [
        '',
        'to all: last, p50 ms',
        'ratio',
        'p99 ms',
        'after commit: p50 ms',
        'ratio',
        'p99 ms',
        'to one: p50 ms',
        'p99 ms',
        'after commit: p50 ms',
        'p99 ms',
        'to all: CPU ms',
        'KiB each',
        'of heap',
        'opened/s',
      ],
      rows: candidates.map((each): readonly Cell[] => {
        const [toAll, toOne] = [new Times(all.get(each) ?? []), new Times(one.get(each) ?? [])];
        return [
          each.name,
          toAll.last(0.5),
          toAll.last(0.5) / floor,
          toAll.last(0.99),
          toAll.afterCommit(0.5),
          over(toAll.afterCommit(0.5), floor),
          toAll.afterCommit(0.99),
          toOne.last(0.5),
          toOne.last(0.99),
          toOne.afterCommit(0.5),
          toOne.afterCommit(0.99),
          median((all.get(each) ?? []).map(({ cpuMs }) => cpuMs)),
          each.residentEach / 1_024,
          each.heapEach / 1_024,
          each.perSecond,
        ];
      }),
      notes: [
        `each row: ${count} sockets, a subscription on each, the same ${Buffer.byteLength(frame)} bytes to all; the clients of each in one other process`,
        'from the request that causes the event (of Castellan a mutation, with its audit entry and its receipt) to the frame at the last, or at the one',
        'after commit: from the moment at which PostgreSQL noted the commit of the mutation, just before it is on the disk, to the same frame; the others commit nothing, and are told by the request',
        'to one of Castellan: revokeSession, told to the user whose session it is; there each socket has a second subscription by then',
        'KiB: resident memory and heap of a server, before and after, each time when all garbage has been collected; of Castellan the rights, session and token of each are in it',
        'resident memory grows less than the heap where a server has room left from its start',
        ...crowd,
      ],
    };
  },
};

interface People {
  readonly tokens: readonly string[];
  /** An API key whose changes all of them may hear of. */
  readonly keyId: string;
  /** Of a user each, beside the session that they subscribe in. */
  readonly sessions: string[];
}

/** Users who may read every API key, with a session each; the first of them with one more. */
async function populate(
  platform: Platform,
  castellan: Child,
  administrator: Administrator,
  count: number,
  withOneMore: number,
): Promise<People> {
  await using population = await Population.open(platform, castellan, administrator);
  await using rows = await SessionRows.open(platform.databaseUrl);
  const users = await population.copies(await population.create(null, ['auditor']), count);
  const { sessionId } = await (await administrator.createMember()).signIn();
  const more = await rows.add(sessionId, users.slice(0, withOneMore));
  const tokens = await issueTokens(platform.env, users);
  await population.settle();
  await rows.settle();
  const at = new Date(Date.now() + 86_400_000).toISOString();
  const { createApiKey } = await ask<{ createApiKey: { apiKey: { id: string } } }>(
    castellan.url,
    CREATE,
    { at },
    administrator.token,
  );
  return { tokens, keyId: createApiKey.apiKey.id, sessions: more.map((each) => each.sessionId) };
}

const over = (ms: number | null, floorMs: number): number | null => (ms === null ? null : ms / floorMs);

interface Round {
  readonly lastMs: number;
  /** The same from the commit; null where nothing is committed. */
  readonly afterCommitMs: number | null;
  /** Of the server, all its threads. */
  readonly cpuMs: number;
  readonly frame: string;
}

async function timeOf(
  { readers, server: { pid } }: Candidate,
  tell: () => Promise<Written | null>,
  { frames, commits }: { readonly frames: number; readonly commits: CommitTimes },
): Promise<Round> {
  const { arrived } = await readers.expect(frames);
  const [sentMs, cpuMicros] = [nowMs(), cpuMicrosOf(pid)];
  const [{ times, frame }, committed] = await Promise.all([arrived, tell()]);
  const cpuMs = (cpuMicrosOf(pid) - cpuMicros) / 1_000;
  const cameMs = times.at(-1) ?? NaN;
  const afterCommitMs = committed === null ? null : cameMs - (await commits.of(committed));
  return { lastMs: cameMs - sentMs, afterCommitMs, cpuMs, frame };
}

/** Of some rounds. */
class Times {
  readonly #rounds: readonly Round[];

  constructor(rounds: readonly Round[]) {
    this.#rounds = rounds;
  }

  last(fraction: number): number {
    return quantile(
      this.#rounds.map(({ lastMs }) => lastMs),
      fraction,
    );
  }

  afterCommit(fraction: number): number | null {
    const times = this.#rounds.flatMap(({ afterCommitMs }) => afterCommitMs ?? []);
    return times.length === 0 ? null : quantile(times, fraction);
  }
}

/** As many as may live at once, and more: what becomes of those, and of the others meanwhile. */
async function crowded(
  candidate: Candidate,
  tokens: readonly string[],
  { more, live }: { readonly more: number; readonly live: number },
): Promise<readonly string[]> {
  const { server, readers } = candidate;
  await using others = new FrameReaders();
  const before = live - more;
  const opened = await others.open(server.url, tokens.slice(0, more), before);
  if (opened.open !== more) throw new Error(`${opened.open} of ${more} opened: ${JSON.stringify(opened.refused)}`);
  await others.subscribe(KEY_EVENTS, 'all');
  const toAll = async (): Promise<number> => {
    const arriving: Promise<Arrived>[] = [];
    for (const [each, frames] of [
      [readers, before],
      [others, more],
    ] as const)
      arriving.push((await each.expect(frames)).arrived);
    const sentMs = nowMs();
    const [came] = await Promise.all([Promise.all(arriving), candidate.tellAll('')]);
    return Math.max(...came.map(({ times }) => times.at(-1) ?? NaN)) - sentMs;
  };
  await toAll();
  const alone = await toAll();

  await using late = new FrameReaders();
  const beyond = await late.open(server.url, tokens.slice(more, more + BEYOND), live);
  const stillMs = await toAll();
  const counted = await Promise.all([readers.count(), others.count()]);
  const lost = live - counted.reduce((sum, { open }) => sum + open, 0);
  const refused = Object.entries(beyond.refused).map(([why, times]) => `${times} × ${why}`);
  return [
    `${live} live subscribers, with a limit of ${live + OTHER_FILES} open files: an event is with the last of them after ${alone.toFixed(0)} ms`,
    `of ${BEYOND} more, ${beyond.open} were taken, and refused ${refused.join(', ') || 'none'}; after that, an event to all after ${stillMs.toFixed(0)} ms, and ${lost} lost`,
  ];
}

/** The event in a frame, as JSON. */
function eventIn(frame: string): string {
  const { payload } = JSON.parse(frame) as { payload: { data: Record<string, unknown> } }; // Castellan wrote it
  return JSON.stringify(payload.data['apiKeyEvents']);
}
