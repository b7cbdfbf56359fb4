import type { Client } from 'graphql-ws';
import type { App } from '../../src/app.ts';
import { type Castellans, collect, instanceOf, oneMore } from './castellan.ts';

/** What goes with the authority log alone, and with no feed. */
type Field = 'permissionsChanged' | 'policyChanged';

async function runningOn({ metrics }: App, field: Field): Promise<number> {
  const text = await metrics.render();
  const [, running = 0] = new RegExp(`^castellan_subscriptions.field="${field}". (\\d+)$`, 'm').exec(text) ?? [];
  return Number(running);
}

/** One of these, when it is sure to be told of whatever changes from now on. */
export async function watching<Data extends Partial<Record<Field, unknown>>>(
  castellans: Castellans,
  { client, instance, query, after }: Watching,
) {
  const field = query.includes('policyChanged') ? 'policyChanged' : 'permissionsChanged';
  const app = instanceOf(castellans, instance);
  return oneMore(
    app,
    () => runningOn(app, field),
    () => collect<Data>(client, query, { after }),
  );
}

interface Watching {
  readonly client: Client;
  readonly instance: number;
  readonly query: string;
  readonly after?: string | undefined;
}
