import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { Certificate } from './certificate.ts';
import { type RedisServer, startRedisServer } from './redis-server.ts';
import { untilSo } from './until.ts';

const MASTER = 'castellan';

export interface RedisSentinel {
  /** As REDIS_URL names it. */
  readonly url: string;
  /** The master and its replica, as they were at first. */
  readonly servers: readonly [RedisServer, RedisServer];
  readonly sentinels: readonly [RedisServer, RedisServer, RedisServer];
  /** Runs one command on a server or a sentinel. */
  ask(server: RedisServer, command: string, ...args: readonly (string | number)[]): Promise<unknown>;
  /** The server that every sentinel that runs calls the master; null while they do not agree. */
  master(): Promise<RedisServer | null>;
  /** The servers do; the sentinels go on. */
  hang(): void;
  /** Has everything go on, and waits until a master has a replica that follows it, and nobody thinks otherwise. */
  heal(): Promise<void>;
  /** Ends all of them for good. Idempotent. */
  stop(): Promise<void>;
}

/** A real master of the caller's own with a replica, and three sentinels that have one take over for the other. */
export async function startRedisSentinel({
  password,
  sentinelPassword,
  tls,
}: { password?: string; sentinelPassword?: string; tls?: Certificate } = {}): Promise<RedisSentinel> {
  const undo: (() => Promise<unknown> | void)[] = [];
  const stop = async (): Promise<void> => {
    for (let back = undo.pop(); back !== undefined; back = undo.pop()) await back();
  };
  const clients = new Map<RedisServer, Redis>();
  const started = async (options: Parameters<typeof startRedisServer>[0], secret: string | undefined) => {
    const server = await startRedisServer({ ...options, ...(tls !== undefined && { tls }) });
    const client = new Redis({ ...server.options, ...(secret !== undefined && { password: secret }) });
    client.on('error', () => {});
    clients.set(server, client);
    undo.push(
      () => server.stop(),
      () => client.disconnect(),
    );
    return server;
  };
  const ask: RedisSentinel['ask'] = async (server, command, ...args) => clients.get(server)?.call(command, ...args);

  try {
    const flags = {
      'repl-diskless-sync-delay': '0',
      ...(password !== undefined && { requirepass: password, masterauth: password }),
    };
    const [first, replica] = [await started({ flags }, password), await started({ flags }, password)] as const;
    await ask(replica, 'REPLICAOF', '127.0.0.1', first.port);
    await untilSo('the replica follows', async () =>
      String(await ask(replica, 'INFO', 'replication')).includes('master_link_status:up'),
    );

    const configuration = (downAfterMs: number) =>
      [
        `sentinel monitor ${MASTER} 127.0.0.1 ${first.port} 2`,
        `sentinel down-after-milliseconds ${MASTER} ${downAfterMs}`,
        `sentinel failover-timeout ${MASTER} 3000`,
        ...(password === undefined ? [] : [`sentinel auth-pass ${MASTER} ${password}`]),
        ...(sentinelPassword === undefined
          ? []
          : [`requirepass ${sentinelPassword}`, `sentinel sentinel-pass ${sentinelPassword}`]),
        '',
      ].join('\n');
    const watch = async (downAfterMs: number): Promise<RedisServer> => {
      // It writes what it learns into its file.
      const dir = await mkdtemp(join(tmpdir(), 'castellan-sentinel-'));
      undo.unshift(() => rm(dir, { recursive: true, force: true }));
      return started({ dir, sentinel: configuration(downAfterMs) }, sentinelPassword);
    };
    // Of three that wake at the same moment each would vote for itself, and vote again much later.
    const sentinels = [await watch(700), await watch(700), await watch(5_000)] as const;
    for (const each of sentinels) await ask(each, 'SENTINEL', 'DEBUG', ...QUICK);
    await untilSo('the sentinels know each other and the replica', async () => {
      const views = await Promise.all(sentinels.map((each) => ask(each, 'SENTINEL', 'MASTER', MASTER)));
      return views.every((view) => {
        const facts = (view as string[]).join(' ');
        return facts.includes('num-other-sentinels 2') && facts.includes('num-slaves 1');
      });
    });

    const user = password === undefined ? '' : `:${encodeURIComponent(password)}@`;
    const query = sentinelPassword === undefined ? '' : `?sentinelPassword=${encodeURIComponent(sentinelPassword)}`;
    const servers = [first, replica] as const;
    const master = async (): Promise<RedisServer | null> => {
      const running = sentinels.filter(({ isRunning }) => isRunning);
      const named = await Promise.all(
        running.map(async (each) => (await ask(each, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER)) as string[]),
      );
      const ports = new Set(named.map(([, port]) => Number(port)));
      return ports.size === 1 ? (servers.find(({ port }) => ports.has(port)) ?? null) : null;
    };
    return {
      url: `redis${tls === undefined ? '' : 's'}+sentinel://${user}${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${MASTER}${query}`,
      servers,
      sentinels,
      ask,
      master,
      hang: () => servers.forEach((server) => server.pause()),
      async heal() {
        for (const server of servers) server.resume();
        await untilSo('a master and its replica are well', async () => {
          const named = await master();
          const other = servers.find((server) => server !== named);
          if (named === null || other === undefined) return false;
          const [replication, following] = await Promise.all(
            [named, other].map(async (server) => String(await ask(server, 'INFO', 'replication'))),
          );
          const views = await Promise.all(sentinels.map((each) => ask(each, 'SENTINEL', 'MASTER', MASTER)));
          return (
            replication?.includes('role:master') === true &&
            following?.includes(`master_port:${named.port}`) === true &&
            following.includes('master_link_status:up') &&
            views.every((view) => (view as string[]).join(' ').includes('flags master '))
          );
        });
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * What sentinels do every few seconds, they do several times a second. A replica counts for a takeover only while less than
 * five pings have passed since it last told of itself, which it does every second.
 */
const QUICK = ['INFO-PERIOD', 500, 'PUBLISH-PERIOD', 100, 'PING-PERIOD', 300, 'ASK-PERIOD', 100] as const;
