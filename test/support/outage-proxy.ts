import type { Socket } from 'node:net';
import { createCutter } from './resp.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

export interface OutageProxy extends Pick<TcpProxy, 'through' | 'close'> {
  /** Passes nothing on any more, either way, and closes nothing: as where a machine has gone without a word. */
  freeze(): void;
  /** In place of Redis answers every command itself with this error, but on connections that have subscribed. */
  answer(error: string): void;
  /** Goes on with what came meanwhile, and as ever. */
  heal(): void;
}

/** A way to a server, which goes out of order when the test says so. */
export async function startOutageProxy(serverUrl: string): Promise<OutageProxy> {
  const state = { isFrozen: false, error: null as string | null };
  const pass = new URL(serverUrl).protocol === 'redis:' ? passCommands : passBytes;
  const { sockets, through, close } = await startTcpProxy(serverUrl, (client, remote) => {
    pass(client, remote, state);
    if (state.isFrozen) for (const socket of [client, remote]) socket.pause();
  });

  return {
    through,
    close,
    freeze() {
      state.isFrozen = true;
      for (const socket of sockets) socket.pause();
    },
    answer(error) {
      if (pass === passBytes) throw new TypeError('only Redis answers so');
      state.error = error;
    },
    heal() {
      Object.assign(state, { isFrozen: false, error: null });
      for (const socket of sockets) socket.resume();
    },
  };
}

function passBytes(client: Socket, remote: Socket): void {
  client.on('data', (chunk: Buffer) => remote.write(chunk));
  remote.on('data', (chunk: Buffer) => client.write(chunk));
}

/** Whoever asks is answered in order, by whomever. */
function passCommands(client: Socket, remote: Socket, state: { readonly error: string | null }): void {
  const [cutCommands, cutReplies] = [createCutter(), createCutter()];
  /** What is owed: an error, or with null the next reply of the server. */
  const owed: (string | null)[] = [];
  let isSubscribed = false;
  const settle = (): void => {
    for (let [next] = owed; typeof next === 'string'; [next] = owed) {
      owed.shift();
      client.write(`-${next}\r\n`);
    }
  };
  client.on('data', (chunk: Buffer) => {
    for (const command of cutCommands(chunk)) {
      isSubscribed ||= /^\*\d+\r\n\$\d+\r\nsubscribe\r/i.test(command.toString('latin1', 0, 40));
      owed.push(isSubscribed ? null : state.error);
      if (owed.at(-1) === null) remote.write(command);
    }
    settle();
  });
  remote.on('data', (chunk: Buffer) => {
    for (const reply of cutReplies(chunk)) {
      owed.shift();
      client.write(reply);
    }
    settle();
  });
}
