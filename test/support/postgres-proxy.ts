import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

/** At which moment of a transaction its connection is cut. */
export type Moment = 'before COMMIT arrives' | 'between COMMIT and its reply';

export interface PostgresProxy extends Pick<TcpProxy, 'through' | 'close'> {
  /**
   * Cuts one connection at that moment of the next transaction in which the client sends this text. The server does what it
   * was told by then.
   */
  cut(moment: Moment, text: string): { readonly happened: boolean };
}

/** CommandComplete (C), eleven bytes long, of a COMMIT. */
const COMMITTED = Buffer.from('C\0\0\0\x0bCOMMIT\0', 'latin1');
const COMMITTING = 'commit\0';
/** No text that is looked for is longer. */
const CARRIED_BYTES = 256;

/** A way to PostgreSQL on which connections die when the test says so. It passes on what it does not understand. */
export async function startPostgresProxy(serverUrl: string): Promise<PostgresProxy> {
  let armed: { readonly moment: Moment; readonly text: string; happened: boolean } | null = null;

  const { through, close } = await startTcpProxy(serverUrl, (client, postgres) => {
    const [sent, received] = [new Window(), new Window()];
    let isMeant = false;
    const cutNow = (moment: Moment): boolean => {
      if (armed?.moment !== moment || !isMeant) return false;
      armed.happened = true;
      armed = null;
      client.destroy();
      postgres.destroy();
      return true;
    };
    client.on('data', (chunk: Buffer) => {
      const text = sent.add(chunk).toString('latin1');
      if (armed !== null && text.includes(armed.text)) isMeant = true;
      if (text.toLowerCase().includes(COMMITTING) && cutNow('before COMMIT arrives')) return;
      postgres.write(chunk);
    });
    postgres.on('data', (chunk: Buffer) => {
      const bytes = received.add(chunk);
      if (bytes.includes(COMMITTED)) {
        if (cutNow('between COMMIT and its reply')) return;
        received.clear();
        sent.clear();
        isMeant = false;
      }
      client.write(chunk);
    });
  });

  return {
    through,
    close,
    cut(moment, text) {
      if (text.length > CARRIED_BYTES) throw new TypeError(`a text of at most ${CARRIED_BYTES} bytes is needed`);
      armed = { moment, text, happened: false };
      return armed;
    },
  };
}

/** What came, with the end of what came before: a text may come in two pieces. */
class Window {
  #end = Buffer.alloc(0);

  add(chunk: Buffer): Buffer {
    const bytes = Buffer.concat([this.#end, chunk]);
    this.#end = bytes.subarray(-CARRIED_BYTES);
    return bytes;
  }

  clear(): void {
    this.#end = Buffer.alloc(0);
  }
}
