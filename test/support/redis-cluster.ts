import { Redis } from 'ioredis';
import type { Certificate } from './certificate.ts';
import { type RedisServer, startRedisServer } from './redis-server.ts';
import { untilSo } from './until.ts';

const MASTERS = 3;
const SLOTS = 16_384;

export interface RedisCluster {
  /** As REDIS_URL names it. */
  readonly url: string;
  /** Three masters and then, in the same order, a replica of each; a failover changes who is what. */
  readonly nodes: readonly RedisServer[];
  /** Runs one command on one node. */
  ask(node: RedisServer, command: string, ...args: readonly (string | number)[]): Promise<unknown>;
  /** The slot of a key. */
  slotOf(key: string): Promise<number>;
  masterOf(key: string): Promise<RedisServer>;
  replicasOf(master: RedisServer): Promise<readonly RedisServer[]>;
  /** Its id in the cluster. */
  idOf(node: RedisServer): Promise<string>;
  hang(): void;
  resume(): void;
  /** Starts what was killed and waits until every slot has a master and every master a replica that follows it. */
  heal(): Promise<void>;
  /** Ends all nodes for good. Idempotent. */
  stop(): Promise<void>;
}

/** A real cluster of the caller's own: three masters with a replica each, which take over within a few seconds. */
export async function startRedisCluster({ tls }: { tls?: Certificate } = {}): Promise<RedisCluster> {
  const nodes: RedisServer[] = [];
  const clients = new Map<RedisServer, Redis>();

  const ask: RedisCluster['ask'] = (node, command, ...args) => {
    let client = clients.get(node);
    if (client === undefined) {
      client = new Redis(node.options);
      client.on('error', () => {});
      clients.set(node, client);
    }
    return client.call(command, ...args);
  };
  const running = (): readonly RedisServer[] => nodes.filter(({ isRunning }) => isRunning);
  const lines = async (node: RedisServer) =>
    String(await ask(node, 'CLUSTER', 'NODES'))
      .trimEnd()
      .split('\n')
      .map(parse);
  const myself = async (node: RedisServer) => {
    const line = (await lines(node)).find(({ flags: of }) => of.includes('myself'));
    if (line === undefined) throw new Error('a node does not know itself');
    return line;
  };
  const slotOf = async (key: string): Promise<number> => {
    const [node] = running();
    if (node === undefined) throw new Error('no node is running');
    return Number(await ask(node, 'CLUSTER', 'KEYSLOT', key));
  };

  /** Every node that runs knows that all is well, and every replica has caught up. */
  const isWhole = async (): Promise<boolean> => {
    const views = await Promise.all(
      running().map(async (node) => ({
        info: String(await ask(node, 'CLUSTER', 'INFO')),
        replication: String(await ask(node, 'INFO', 'replication')),
        known: await lines(node),
      })),
    );
    const roles = await Promise.all(running().map(myself));
    const masters = roles.filter(({ slots }) => slots.length > 0);
    return (
      views.every(
        ({ info, replication, known }) =>
          info.includes('cluster_state:ok') &&
          !replication.includes('master_link_status:down') &&
          known.length === nodes.length &&
          known.every(({ flags: of, isConnected }) => isConnected && !of.some((flag) => /fail|handshake/.test(flag))) &&
          known.filter(({ slots }) => slots.length > 0).length === MASTERS,
      ) &&
      masters.length === MASTERS &&
      masters.every(({ id }) => roles.some(({ masterId }) => masterId === id))
    );
  };

  const cluster: RedisCluster = {
    get url() {
      return nodes.map(({ url }) => url).join(',');
    },
    nodes,
    ask,
    slotOf,
    async masterOf(key) {
      const slot = await slotOf(key);
      for (const node of running()) {
        const { slots } = await myself(node);
        if (slots.some(({ from, to }) => from <= slot && slot <= to)) return node;
      }
      throw new Error('no node that runs has the slot');
    },
    async replicasOf(master) {
      const { id } = await myself(master);
      const roles = await Promise.all(running().map(async (node) => ({ node, role: await myself(node) })));
      return roles.filter(({ role }) => role.masterId === id).map(({ node }) => node);
    },
    idOf: async (node) => (await myself(node)).id,
    hang: () => nodes.forEach((node) => node.pause()),
    resume: () => nodes.forEach((node) => node.resume()),
    async heal() {
      cluster.resume();
      await Promise.all(nodes.filter(({ isRunning }) => !isRunning).map((node) => node.restart()));
      await untilSo('the cluster is whole', isWhole);
    },
    async stop() {
      for (const client of clients.values()) client.disconnect();
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };

  try {
    const starting = Array.from({ length: 2 * MASTERS }, () =>
      startRedisServer({ flags: FLAGS, ...(tls !== undefined && { tls }) }),
    );
    for (const start of await Promise.allSettled(starting)) if (start.status === 'fulfilled') nodes.push(start.value);
    await Promise.all(starting);
    await form(cluster);
    await untilSo('the cluster is whole', isWhole);
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

const FLAGS = {
  'cluster-enabled': 'yes',
  'cluster-config-file': 'nodes.conf',
  'cluster-node-timeout': '1000',
  // A slot without a master does not take the others with it.
  'cluster-require-full-coverage': 'no',
  'cluster-allow-replica-migration': 'no',
  'cluster-replica-validity-factor': '0',
  'repl-diskless-sync-delay': '0',
};

/** What `redis-cli --cluster create` does, without its waits. */
async function form(cluster: RedisCluster): Promise<void> {
  const { nodes } = cluster;
  const masters = nodes.slice(0, MASTERS);
  for (const [n, node] of nodes.entries()) await cluster.ask(node, 'CLUSTER', 'SET-CONFIG-EPOCH', n + 1);
  for (const [n, node] of nodes.entries()) {
    // News of the others would take seconds to come round.
    for (const other of nodes.slice(n + 1)) await cluster.ask(node, 'CLUSTER', 'MEET', '127.0.0.1', other.port);
  }
  for (const [n, master] of masters.entries()) {
    const from = Math.ceil((n * SLOTS) / MASTERS);
    const to = Math.ceil(((n + 1) * SLOTS) / MASTERS) - 1;
    await cluster.ask(master, 'CLUSTER', 'ADDSLOTSRANGE', from, to);
  }
  for (const [n, master] of masters.entries()) {
    const [replica, id] = [nodes[MASTERS + n], await cluster.idOf(master)];
    if (replica === undefined) throw new Error('a master has no replica');
    await untilSo('the replica knows its master', async () => {
      const known = String(await cluster.ask(replica, 'CLUSTER', 'NODES'));
      return known.includes(id);
    });
    await cluster.ask(replica, 'CLUSTER', 'REPLICATE', id);
  }
}

interface Line {
  readonly id: string;
  readonly flags: readonly string[];
  readonly masterId: string;
  readonly isConnected: boolean;
  readonly slots: readonly { readonly from: number; readonly to: number }[];
}

/** One line of CLUSTER NODES. */
function parse(line: string): Line {
  const [id = '', , flags = '', masterId = '', , , , link, ...ranges] = line.split(' ');
  const slots = ranges
    .filter((range) => !range.startsWith('['))
    .map((range) => {
      const [from, to = from] = range.split('-').map(Number);
      return { from: from ?? 0, to: to ?? 0 };
    });
  return {
    id,
    flags: flags.split(','),
    masterId,
    isConnected: link === 'connected' || flags.includes('myself'),
    slots,
  };
}

const KEYS = new Map<number, string>();

/** A key of that slot, which is the CRC16 of what stands between its braces. */
export function keyIn(slot: number): string {
  for (let n = KEYS.size; ; n += 1) {
    const known = KEYS.get(slot);
    if (known !== undefined) return known;
    KEYS.set(crc16(`user_${n}`) % SLOTS, `castellan:standing:{user_${n}}`);
  }
}

function crc16(text: string): number {
  let crc = 0;
  for (const byte of Buffer.from(text)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = ((crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021) & 0xffff;
  }
  return crc;
}
