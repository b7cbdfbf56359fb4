import { Client } from 'pg';
import type { Secret } from '../../kit/secret.ts';

type Callback = (error: Error) => void;

/** What `@types/pg` does not say of a client: with what it is about to introduce itself. */
interface Credentials {
  user: string | undefined;
  password: string | null | undefined;
}
type Introduced = Credentials & { readonly connectionParameters: Credentials };

/**
 * Connections that introduce themselves with the user and the password that the URL has when they are opened: credentials that
 * are good for a while only are replaced while we run. Where else it leads to than at the start is of no account.
 */
export function renewedClient(url: Secret): typeof Client {
  return class RenewedClient extends Client {
    override connect(): Promise<this>;
    override connect(callback: Callback): void;
    override connect(callback?: Callback): Promise<this> | undefined {
      const introduced = url.renewed().then((text) => introduce(this as unknown as Introduced, text));
      if (callback === undefined) return introduced.then(() => super.connect()) as Promise<this>;
      void introduced.then(() => super.connect(callback));
      return undefined;
    }
  };
}

function introduce(client: Introduced, url: string): void {
  let read: Credentials;
  try {
    // As pg itself reads it: in some URLs the query names the user.
    read = new Client({ connectionString: url }) as unknown as Credentials;
  } catch {
    return; // What it had before is as good as anything.
  }
  for (const each of [client, client.connectionParameters]) {
    each.user = read.user;
    each.password = read.password;
  }
}
