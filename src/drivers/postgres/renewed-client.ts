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
  let latest = url.reveal();
  async function current(): Promise<string> {
    const found = await url.renewed();
    // What it had before is as good as anything.
    if (/^postgres(ql)?:/i.test(found) && URL.canParse(found)) latest = found;
    return latest;
  }
  return class RenewedClient extends Client {
    override connect(): Promise<this>;
    override connect(callback: Callback): void;
    override connect(callback?: Callback): Promise<this> | undefined {
      const introduced = current().then((text) => introduce(this as unknown as Introduced, text));
      if (callback === undefined) return introduced.then(() => super.connect()) as Promise<this>;
      // Nothing of it rejects, and whoever connects is told by pg.
      const connect = (): void => super.connect(callback);
      void introduced.then(connect);
      return undefined;
    }
  };
}

function introduce(client: Introduced, url: string): void {
  // As pg itself reads it: in some URLs the query names the user.
  const { user, password } = new Client({ connectionString: url }) as unknown as Credentials;
  for (const each of [client, client.connectionParameters]) Object.assign(each, { user, password });
}
