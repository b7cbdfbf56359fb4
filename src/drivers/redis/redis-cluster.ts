import { Cluster, Command, type Redis } from 'ioredis';
import type { Clock } from '../../kit/clock.ts';
import type { RedisPlace } from '../../kit/redis-url.ts';
import { connectToAnyNode, nameOf } from './redis-any-node.ts';
import { type Connecting, type Connections, watch } from './redis-connection.ts';
import { optionsOf, retryMs } from './redis-options.ts';
import type { Outage } from './redis-outage.ts';

/**
 * A command that a node sends elsewhere (MOVED, ASK), or that none can answer for now (TRYAGAIN, CLUSTERDOWN, a
 * connection that was lost), is tried again this often, after this long: in all for less than the cache waits.
 */
const RETRIES_MAX = 4;
const RETRY_MS = 20;
const SLOTS_MS = 500;
/** Failovers and new nodes are learnt of while nobody asks for anything, too. */
const SLOTS_EVERY_MS = 2_000;

/**
 * Connections to the masters of a cluster, and one to any of its nodes for subscriptions.
 *
 * Commands are sent one by one, each to the node of its key. Those of one moment travel together, since no answer is
 * waited for in between. ioredis' own pipelines are not used: it has one fail or move as a whole when some of its slots
 * have moved.
 */
export function connectCluster(
  place: Extract<RedisPlace, { kind: 'cluster' }>,
  { login, outage, clock }: Connecting,
): Connections {
  const options = optionsOf(place, clock);
  const names = place.nodes.map(nameOf).join(', ');
  const commands = new Cluster([...place.nodes], {
    redisOptions: options,
    enableOfflineQueue: false,
    // What still works goes on working while a part of the cluster is down.
    enableReadyCheck: false,
    maxRedirections: RETRIES_MAX,
    retryDelayOnMoved: 0,
    retryDelayOnTryAgain: RETRY_MS,
    retryDelayOnClusterDown: RETRY_MS,
    retryDelayOnFailover: RETRY_MS,
    slotsRefreshTimeout: SLOTS_MS,
    clusterRetryStrategy: retryMs,
    // Certificates are for names: an address looked up here would not fit them.
    dnsLookup: (address, callback) => callback(null, address),
  });
  // Before they are connected to.
  commands.on('+node', (node: Redis) => login.follow(node));
  watchCluster(commands, outage, names);
  refresh(commands, clock);
  const subscriber = connectToAnyNode(options, commands, place.nodes);
  login.follow(subscriber);
  watch(subscriber, outage, names);

  return {
    commands,
    subscriber,
    nodeOf(key) {
      if (commands.status !== 'ready') return null;
      const slot = new Command('get', [key]).getSlot() ?? 0;
      return commands.slots[slot]?.[0] ?? 'nobody';
    },
    ping: () => Promise.all(commands.nodes('master').map((node) => node.ping())),
  };
}

/** Tells of outages, and connects to masters before anybody asks: a new connection would take up the time for answers. */
function watchCluster(cluster: Cluster, outage: Outage, names: string): void {
  const known = new Set<string>();
  cluster.on('error', ({ message, lastNodeError }: Error & { lastNodeError?: Error | null }) =>
    outage.lost(cluster, names, lastNodeError?.message || message),
  );
  cluster.on('ready', () => outage.back(cluster, names));
  cluster.on('+node', (node: Redis) => {
    const name = nameOf(node.options);
    known.add(name);
    node.on('error', ({ message, code }: Error & { code?: string }) => outage.lost(name, name, message || code));
    node.on('ready', () => outage.back(name, name));
    if (node.options.readOnly !== true && node.status === 'wait') node.connect().catch(() => {});
  });
  cluster.on('refresh', () => {
    const members = new Set(cluster.nodes().map(({ options }) => nameOf(options)));
    // Others have taken over from it.
    for (const name of [...known].filter((each) => !members.has(each))) {
      known.delete(name);
      outage.back(name, name);
    }
  });
}

/** ioredis has an interval of its own for this, which goes on when the cluster is closed while it asks. */
function refresh(cluster: Cluster, clock: Clock): void {
  clock.after(SLOTS_EVERY_MS, () => {
    if (cluster.status === 'disconnecting' || cluster.status === 'end') return;
    if (cluster.status === 'ready') cluster.refreshSlotsCache();
    refresh(cluster, clock);
  });
}
