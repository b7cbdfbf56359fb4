import { ConfigError, readConfig } from './config.ts';
import { createApp, type App } from './app.ts';
import { PolicyError } from './domain/policy/problems.ts';

/** What Ctrl-C and an orchestrator give us to leave. */
const CLOSE_DEADLINE_MS = 9_000;

async function main(): Promise<void> {
  const stopped = Promise.withResolvers<string>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopped.resolve(signal));

  let app: App;
  try {
    const config = readConfig(process.env);
    app = await createApp(config);
    welcome(app, config.production);
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`);
    process.exitCode = 1;
    return;
  }

  await stopped.promise;
  process.stdout.write('Closing …\n');
  // A part that hangs must not keep the process: everything durable was durable before.
  setTimeout(() => process.exit(1), CLOSE_DEADLINE_MS).unref();
  await app.close();
  process.exitCode = 0;
}

function welcome({ url, firstAdministrator }: App, production: boolean): void {
  const lines = [
    `Castellan is up at ${url}/graphql (GraphQL over HTTP; ${url.replace('http', 'ws')}/graphql for subscriptions)`,
    `  health ${url}/health/ready   keys ${url}/.well-known/jwks.json   metrics ${url}/metrics`,
  ];
  if (firstAdministrator !== null) {
    const { email, oneTimePassword } = firstAdministrator;
    lines.push(`The first administrator is ${email}.`);
    if (oneTimePassword !== null) lines.push(`  Its password, shown this once: ${oneTimePassword}`);
  }
  if (!production) lines.push(...firstQuery(url, firstAdministrator?.email, firstAdministrator?.oneTimePassword));
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** A first query to paste into a shell. */
function firstQuery(url: string, email = 'admin@castellan.local', password: string | null = null): readonly string[] {
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

function explain(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  if (error instanceof PolicyError) return `The policy files have problems, so nothing was started:\n${error.message}`;
  const { code, port } = error as { code?: string; port?: number };
  if (code === 'EADDRINUSE') return `Port ${port} is taken. Stop what uses it, or choose another: PORT=4002 npm start`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

await main();
