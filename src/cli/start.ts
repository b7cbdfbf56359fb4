import { once } from 'node:events';
import type { App } from '../app.ts';
import { ConfigError, readConfig, type Config } from '../config.ts';
import { printFailure } from './failure.ts';
import { misspeltSettings } from './misspelt.ts';
import { type OutputOptions, print } from './report.ts';
import type { Environment } from './environment.ts';

/** What Ctrl-C and an orchestrator give us to leave. */
const CLOSE_DEADLINE_MS = 9_000;

/** Opens the house, waits for a signal and closes it. The answer is the exit code. */
export async function start(env: Environment, { json }: OutputOptions = { json: false }): Promise<number> {
  const stopping = new AbortController();
  // Whoever says it twice is in a hurry.
  const hurried = Promise.withResolvers<void>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stopping.signal.aborted) hurried.resolve();
      stopping.abort();
    });
  }

  for (const { variable, message } of misspeltSettings(env)) process.stderr.write(`warning: ${variable} ${message}\n`);

  let app: App;
  let config: Config;
  try {
    config = await readSettings(env);
    // Only now: who mistyped a setting need not wait for all of it to be loaded.
    const { createApp } = await import('../app.ts');
    app = await createApp(config, { signal: stopping.signal });
    print(json ? JSON.stringify(facts(app)) : welcome(app, config));
  } catch (error) {
    if (error !== stopping.signal.reason) return printFailure(error, { json });
    // What was being opened is closed when it is there, which may take longer than anybody waits.
    setTimeout(() => process.exit(0), CLOSE_DEADLINE_MS).unref();
    return 0;
  }

  if (!stopping.signal.aborted) await once(stopping.signal, 'abort');
  if (!json) print('Closing …');
  if (config.drainSeconds > 0) {
    app.leave();
    const timer = setTimeout(hurried.resolve, config.drainSeconds * 1_000);
    await hurried.promise;
    clearTimeout(timer);
  }
  // A part that hangs must not keep the process: everything durable was durable before.
  setTimeout(() => process.exit(1), CLOSE_DEADLINE_MS).unref();
  await app.close();
  return 0;
}

/** With all that is wrong at once, what production refuses of the policy among it. */
async function readSettings(env: Environment): Promise<Config> {
  try {
    return readConfig(env);
  } catch (error) {
    if (!(error instanceof ConfigError) || env['NODE_ENV'] !== 'production') throw error;
    const { policyForEverybody } = await import('./policy-for-everybody.ts');
    const messages = await policyForEverybody(env['POLICIES_DIR'] || 'policies');
    throw new ConfigError([...error.problems, ...messages.map((message) => ({ variable: 'POLICIES_DIR', message }))]);
  }
}

function facts({ url, firstAdministrator, administered }: App): object {
  return { ok: true, url: `${url}/graphql`, firstAdministrator, administered };
}

function welcome({ url, firstAdministrator, administered }: App, { production, adminEmail }: Config): string {
  const lines = [
    `Castellan is up at ${url}/graphql (GraphQL over HTTP; ${url.replace('http', 'ws')}/graphql for subscriptions)`,
    `  health ${url}/health/ready   keys ${url}/.well-known/jwks.json   metrics ${url}/metrics`,
  ];
  if (firstAdministrator !== null) {
    const { email, oneTimePassword, renewed } = firstAdministrator;
    lines.push(
      renewed
        ? `The first password of ${email} had ended, and there is another.`
        : `The first administrator is ${email}.`,
    );
    lines.push(
      oneTimePassword === null
        ? '  Its password is that of ADMIN_PASSWORD.'
        : `  Its password, shown this once: ${oneTimePassword}`,
    );
    const then = production ? '' : ' Once it has ended, a start in development gives another.';
    lines.push(`  It is good for 24 hours: changePassword makes one that lasts.${then}`);
  }
  if (!administered) lines.push('There is no administrator yet: castellan admin create <email> makes one.');
  if (!production && firstAdministrator === null) {
    lines.push(
      `The password of ${adminEmail} is lost? Stop this, and castellan admin recover ${adminEmail} gives another.`,
    );
  }
  if (!production) lines.push(...firstQuery(url, adminEmail, firstAdministrator?.oneTimePassword));
  return lines.join('\n');
}

/** A first query to paste into a shell. */
function firstQuery(url: string, email: string | null, password: string | null = null): readonly string[] {
  const query =
    'mutation($i: SignInInput!) { signIn(input: $i) { ... on SignedIn { accessToken user { id email } } } }';
  const body = JSON.stringify({ query, variables: { i: { email, password: password ?? '<password>' } } });
  return [
    'Sign in:',
    `  curl -s ${url}/graphql -H 'content-type: application/json' -d '${body}'`,
    'Then ask who you are:',
    `  curl -s ${url}/graphql -H 'content-type: application/json' -H "authorization: Bearer <accessToken>" -d '{"query":"{ me { id email roles { name } } }"}'`,
  ];
}
