import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { startRedisCluster } from './redis-cluster.ts';
import { startRedisSentinel } from './redis-sentinel.ts';
import { startRedisServer } from './redis-server.ts';

export interface StartedPlace {
  /** As REDIS_URL names it. */
  readonly url: string;
  /** Lets that much time pass by the clock of a server. */
  readonly pass: (seconds: number) => Promise<void>;
  /** All that it holds is gone. */
  readonly lose: () => Promise<void>;
  /** From now on nothing that holds data answers. */
  readonly hang: () => void;
  /** Goes on, and is as well as ever when this resolves. */
  readonly recover: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** Whatever the driver can speak to. */
export const REDIS_PLACES: readonly (readonly [name: string, start: () => Promise<StartedPlace>])[] = [
  [
    'Redis',
    async () => {
      const server = await startRedisServer();
      return {
        url: await asDocumented(server.url),
        pass: passBy(server.url),
        lose: () => server.flush(),
        hang: () => server.pause(),
        recover: async () => server.resume(),
        stop: () => server.stop(),
      };
    },
  ],
  [
    'Redis Cluster',
    async () => {
      const cluster = await startRedisCluster();
      return {
        url: (await Promise.all(cluster.nodes.slice(0, 3).map(({ url }) => asDocumented(url)))).join(),
        pass: passBy(cluster.url.split(',')[0]),
        async lose() {
          for (const node of cluster.nodes.slice(0, 3)) await node.flush();
        },
        hang: () => cluster.hang(),
        recover: () => cluster.heal(),
        stop: () => cluster.stop(),
      };
    },
  ],
  [
    'Redis Sentinel',
    async () => {
      const sentinel = await startRedisSentinel();
      return {
        url: sentinel.url,
        pass: passBy(sentinel.servers[0].url),
        lose: () => sentinel.servers[0].flush(),
        hang: () => sentinel.hang(),
        recover: () => sentinel.heal(),
        stop: () => sentinel.stop(),
      };
    },
  ],
];

/** The same server for a user who has the rights that docs/operating.md says, and no others. */
export async function asDocumented(url: string): Promise<string> {
  const page = readFileSync(new URL('../../docs/operating.md', import.meta.url), 'utf8');
  const [, command = ''] = /^```redis\n(.*?)^```$/ms.exec(page) ?? [];
  const [name = '', ...words] = command.trim().split(/\s+/);
  const administrator = new Redis(url);
  await administrator.call(name, ...words);
  administrator.disconnect();
  return url.replace('://', '://castellan:secret@');
}

function passBy(url = ''): StartedPlace['pass'] {
  return async (seconds) => {
    const timekeeper = new Redis(url);
    // Answered when the server's own clock says so: it never has so many replicas.
    await timekeeper.wait(100, seconds * 1_000);
    timekeeper.disconnect();
  };
}
