import { randomInt } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AbstractConnector, type Cluster, Redis } from 'ioredis';
import type { Endpoint } from '../../kit/redis-url.ts';
import { GOODBYE_MS, type Options } from './redis-options.ts';

interface Named {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
}

/** As ioredis names the nodes of a cluster. */
export function nameOf({ host, port }: Named): string {
  return `${host}:${port}`;
}

/**
 * A connection for subscriptions to any node of a cluster: an ordinary PUBLISH goes to all of them over the cluster's bus.
 * Sharded channels would spare the bus, but hints are few and small, a subscriber would have to follow a slot through
 * migrations and failovers to hear them, and they need Redis 7.
 *
 * When its node goes away, or leaves the cluster, it takes another one. It waits until the cluster has said who belongs
 * to it.
 *
 * @param seeds where to connect when no node is known any more
 */
export function connectToAnyNode(options: Options, cluster: Cluster, seeds: readonly Endpoint[]): Redis {
  let current = '';
  const next = (): Named => {
    const members: readonly Named[] = cluster.nodes().map((node) => node.options);
    const nodes = members.length > 0 ? members : seeds;
    const others = nodes.filter((node) => nameOf(node) !== current);
    const choice = others.length > 0 ? others : nodes;
    return choice[randomInt(choice.length)] ?? {};
  };

  class ToAnyNode extends AbstractConnector {
    constructor() {
      super(GOODBYE_MS);
    }

    override async connect(): Promise<Socket> {
      const { host = '', port = 0 } = next();
      current = nameOf({ host, port });
      const stream = options.tls === undefined ? connect({ host, port }) : connectTls({ host, port, ...options.tls });
      stream.once('error', (error) => (this.firstError = error));
      this.stream = stream;
      return stream;
    }
  }

  const redis = new Redis({ ...options, Connector: ToAnyNode, lazyConnect: true });
  cluster.on('refresh', () => {
    if (redis.status === 'wait') redis.connect().catch(() => {});
    const isMember = cluster.nodes().some((node) => nameOf(node.options) === current);
    // A node that has left would go on answering, and hear nothing more.
    if (!isMember && redis.status === 'ready') redis.disconnect(true);
  });
  return redis;
}
