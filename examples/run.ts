/**
 * `npm run example`: Castellan, documents and Hive Gateway, each on a port of its own, on throw-away data. Ends, with
 * everything it started, on Ctrl-C. PORT, CASTELLAN_PORT and DOCUMENTS_PORT choose other ports.
 */
import { once } from 'node:events';
import { chmod, cp, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serveDocuments } from './documents/server.ts';
import { composeSupergraph } from './gateways/compose.ts';
import { startHive } from './gateways/hive/start.ts';
import { run } from './gateways/running.ts';
import { ADMINISTRATOR, PASSWORD, settlePeople } from './people.ts';

const ROOT = join(import.meta.dirname, '..');
const { PORT = '4000', CASTELLAN_PORT = '4001', DOCUMENTS_PORT = '4002' } = process.env;
const PORTS = { PORT, CASTELLAN_PORT, DOCUMENTS_PORT };

const undo: (() => Promise<void>)[] = [];
const stopped = Promise.withResolvers<void>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopped.resolve());
// A port that is taken is told to nobody who waits.
process.on('uncaughtException', (error) => stopped.reject(error));

try {
  const opened = open();
  await Promise.race([opened, stopped.promise]);
  await Promise.race([opened.then(({ ended }) => ended), stopped.promise]);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  for (const step of undo.toReversed()) await step();
}
// What a start that was interrupted still waits for.
process.exit();

async function open() {
  for (const [name, port] of Object.entries(PORTS)) await demandFree(name, Number(port));
  const folder = await mkdtemp(join(tmpdir(), 'castellan-example-'));
  undo.push(() => remove(folder));
  // PostgreSQL does not run as root, and must pass here as somebody else.
  await chmod(folder, 0o755);

  say('Castellan, with a PostgreSQL of its own …');
  const policies = join(folder, 'policies');
  // Whoever runs Castellan reviews the policies of all subgraphs, and keeps them in one folder.
  for (const from of ['policies', 'examples/documents/policies'])
    await cp(join(ROOT, from), policies, { recursive: true });
  const castellan = await run({
    command: process.execPath,
    args: [join(ROOT, 'bin/castellan.js'), 'start'],
    cwd: ROOT,
    env: {
      PORT: CASTELLAN_PORT,
      CASTELLAN_DIR: join(folder, 'castellan'),
      POLICIES_DIR: policies,
      ADMIN_EMAIL: ADMINISTRATOR,
      ADMIN_PASSWORD: PASSWORD,
      LOG_LEVEL: 'warn',
    },
    url: `http://127.0.0.1:${CASTELLAN_PORT}`,
    ready: '/health/ready',
    // Its first administrator is there by then.
    prints: 'Castellan is up',
  });
  undo.push(() => castellan.stop());

  const graphql = `${castellan.url}/graphql`;
  const documents = await settlePeople(graphql);
  const server = await serveDocuments({ documents, castellan: graphql, port: Number(DOCUMENTS_PORT) });
  undo.push(() => server.close());

  say('Hive Gateway …');
  const supergraph = join(folder, 'supergraph.graphql');
  await writeFile(
    supergraph,
    await composeSupergraph([
      { name: 'castellan', url: graphql },
      { name: 'documents', url: server.url },
    ]),
  );
  const gateway = await startHive({ supergraph, port: Number(PORT) });
  undo.push(() => gateway.stop());
  say(welcome(`${gateway.url}/graphql`, { castellan: graphql, documents: server.url }));
  return { ended: Promise.race([gateway.ended, castellan.ended]) };
}

function welcome(url: string, { castellan, documents }: Readonly<Record<string, string>>): string {
  const curl = (headers: string, query: string) =>
    `  curl -sN ${url} -H 'content-type: application/json'${headers} \\\n    -d '${JSON.stringify({ query })}'`;
  const signIn = `mutation { signIn(input: { email: "edith@example.com", password: "${PASSWORD}" }) { ... on SignedIn { accessToken } } }`;
  const bearer = ` -H "authorization: Bearer $TOKEN"`;
  const query = '{ me { name documents { title } } documents { title archived owner { id } } }';
  const subscription =
    'subscription { sessionEvents { __typename ... on SessionRevoked { sessionId reason } ... on AccessEnded { code } } }';
  return `
A supergraph is up at ${url}: Castellan (${castellan}) and
documents (${documents}) behind Hive Gateway. Ctrl-C ends it all.

Sign in as Edith, who edits what lies in acme:
  TOKEN=$(${curl('', signIn).trim()} | sed 's/.*"accessToken":"\\([^"]*\\)".*/\\1/')
Ask both subgraphs who she is and what she may read; what Bob wrote elsewhere is not among it:
${curl(bearer, query)}
Follow her session; \`&\` leaves the shell free:
${curl(`${bearer} -H 'accept: text/event-stream'`, subscription)} &
And end it. The subscription says so and completes:
${curl(bearer, 'mutation { signOut { receipt { enforced waitedMs } } }')}`;
}

/** Before anything is started: what finds its port taken later says so in words of its own, or to nobody. */
async function demandFree(name: string, port: number): Promise<void> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    throw new Error(
      `Port ${port} cannot be used. Stop what uses it, or choose another: ${name}=${port + 10} npm run example`,
    );
  }
  server.close();
  await once(server, 'close');
}

async function remove(folder: string): Promise<void> {
  // Where PostgreSQL could not reach the folder, its files are elsewhere, behind a link.
  const postgres = await realpath(join(folder, 'castellan/postgres')).catch(() => folder);
  for (const path of [postgres, folder]) await rm(path, { recursive: true, force: true });
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
