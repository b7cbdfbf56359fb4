import { readConfig } from '../config.ts';
import { resend, type Resent } from '../domain/security/set-aside.ts';
import { openWebhook } from '../drivers/http/webhook.ts';
import { createStore } from '../drivers/postgres/store.ts';
import { systemClock as clock } from '../kit/clock.ts';
import type { Environment } from './environment.ts';
import { Misuse, type Report } from './report.ts';
import { withDatabase } from './with-database.ts';

/** `castellan webhook resend`: what was set aside is sent once more, and told of. Exit code 1 where some of it still is. */
export async function resendEvents({ forget }: { readonly forget: boolean }, env: Environment): Promise<Report> {
  const { databaseUrl, preparedStatements, securityWebhook } = readConfig(env);
  if (databaseUrl === null) throw new Misuse('DATABASE_URL must name the database that has the events');
  if (securityWebhook === null) throw new Misuse('SECURITY_WEBHOOK_URL must name who is to be told of them');
  return withDatabase({ url: databaseUrl, poolMax: 1, preparedStatements }, async (database) => {
    const store = createStore(database);
    const webhook = openWebhook({ ...securityWebhook, clock });
    const sent: Resent[] = [];
    for await (const each of resend({ store, webhook, clock, forget })) sent.push(each);
    const left = (await store.securityEvents.setAside(1)).length > 0;
    const count = (of: Resent['outcome']): number => sent.filter(({ outcome }) => outcome === of).length;
    const refused = `${count('refused')} were refused again${forget ? ' and are forgotten' : ''}`;
    const lines = [
      ...sent.map(lineOf),
      `${count('taken')} events were taken, ${refused}; ${left ? 'some are' : 'none is'} set aside.`,
    ];
    const events = sent.map(({ event: { id, kind, at }, outcome }) => ({ id, kind, at, outcome }));
    return { ok: !left, lines, facts: { events, left } };
  });
}

function lineOf({ event: { id, kind, at }, outcome, error }: Resent): string {
  return `${outcome.padEnd(10)}  ${id}  ${at}  ${kind}${error === null ? '' : `: ${reasonOf(error)}`}`;
}

/** Fetch tells the reason beneath what it tells. */
function reasonOf({ message, cause }: Error): string {
  return cause instanceof Error ? cause.message : message;
}
