import { createCutter } from '../support/resp.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

export interface RedisProxy {
  readonly url: string;
  /** While set, published messages get lost on their way to the client. Connections and all answers stay as they are. */
  deaf: boolean;
  /** How many messages got lost. */
  readonly lost: number;
  close(): Promise<void>;
}

/** A way to Redis of one instance's own, which can lose news for that instance alone. Speaks RESP2. */
export async function startRedisProxy(redisUrl: string): Promise<RedisProxy> {
  let lost = 0;
  const { port, close } = await startTcpProxy(redisUrl, (client, redis) => {
    const cut = createCutter();
    client.on('data', (chunk) => redis.write(chunk));
    redis.on('data', (chunk) => {
      for (const reply of cut(chunk)) {
        if (!proxy.deaf || !isMessage(reply)) client.write(reply);
        else lost += 1;
      }
    });
  });

  const proxy = {
    url: `redis://127.0.0.1:${port}`,
    deaf: false,
    get lost() {
      return lost;
    },
    close,
  };
  return proxy;
}

function isMessage(reply: Buffer): boolean {
  return reply.toString('latin1', 0, 17).startsWith('*3\r\n$7\r\nmessage');
}
