import { join } from 'node:path';
import type { Bench, Cell, Table } from './support/bench.ts';
import { type Child, startChild } from './support/child.ts';
import { ask } from './support/client.ts';
import { graphqlRequest } from './support/load.ts';
import { compareOverHttp, resultNamed } from './support/over-http.ts';
import { type Platform, startPlatform } from './support/platform.ts';
import { addPolicyFile } from './support/policy.ts';
import { Population } from './support/population.ts';
import { issueTokens } from './support/tokens.ts';
import { namesOf, TripCounter, type Trips } from './support/trips.ts';

const CHECKS = 1_000;
const CONNECTIONS = 2;
/** Of the requests whose round trips are counted. */
const REPEATS = 3;
const SCOPE = 'acme/team-3';
const QUERY = 'query ($checks: [CheckInput!]!) { viewerCanMany(checks: $checks) { allowed reason rule } }';
const BARE = 'Apollo Server, constants';

/** A subject of another subgraph, of which this one knows nothing but what it is told. */
const DOCUMENTS = `subjects:
  Document:
    actions: [read, update, publish]
    attributes:
      id: id
      owner: id
      status: enum(draft, live)
      scope: scope

roles:
  member:
    allow:
      - { action: read, subject: Document, where: { status: live }, within: any }
      - { action: [read, update], subject: Document, where: { owner: '\${principal.id}' }, within: any }

  support:
    allow:
      - { action: publish, subject: Document }
`;

interface Check {
  readonly action: string;
  readonly subject: string;
  readonly id: string;
  readonly field?: string;
  readonly attributes?: Readonly<Record<string, unknown>>;
}

export const checks: Bench = {
  name: 'checks',
  title: `viewerCanMany with ${CHECKS.toLocaleString('en-US')} checks over HTTP, ${CONNECTIONS} connections`,

  async run({ quick }): Promise<Table> {
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform());
    const castellan = await platform.startCastellan();
    const administrator = await platform.administrator(castellan);
    await addPolicyFile(castellan, administrator, { path: 'documents.yaml', text: DOCUMENTS });
    const control = await platform.startCastellan();
    await using population = await Population.open(platform, castellan, administrator);
    const users = await population.copies(await population.create(SCOPE), CHECKS);
    const [asker = '', ...strangers] = await population.copies(
      await population.create(SCOPE, ['support']),
      1 + 3 * REPEATS,
    );
    await population.settle();

    const kinds: readonly (readonly [string, readonly Check[]])[] = [
      ['other subjects with attributes', documentChecks(CHECKS, asker)],
      ['half of each', [...documentChecks(CHECKS / 2, asker), ...userChecks(users.slice(0, CHECKS / 2))]],
      ['users by id', userChecks(users)],
    ];
    const trips = await countTrips(platform, castellan.url, { kinds, asker, strangers });

    const [token = ''] = await issueTokens(platform.env, [asker]);
    const apollo = stack.use(await startChild({ script: join(import.meta.dirname, 'servers', 'apollo-checks.ts') }));
    const contenders = kinds.flatMap(([kind, asked], n) => {
      const request = graphqlRequest(QUERY, token, { checks: asked });
      const requests = Array.from({ length: CONNECTIONS }, () => request);
      const servers: readonly (readonly [string, Child])[] = [
        [BARE, apollo],
        ['Castellan', castellan],
        ...(n === 0 ? ([['Castellan again, as a control', control]] as const) : []),
      ];
      return servers.map(([server, child]) => {
        return { name: `${kind}: ${server}`, kind, child, requests, check: refuseWrong };
      });
    });
    const rounds = quick ? 3 : 7;
    const seconds = quick ? 0.7 : 1;
    const results = await compareOverHttp(contenders, { rounds, seconds, warmUpSeconds: quick ? 1 : 3 });
    return {
      columns: [
        '',
        'p50 ms',
        'ratio',
        'CPU ms',
        'ratio',
        'p99 ms',
        'warm: statements',
        'commands',
        'cold: statements',
        'commands',
      ],
      rows: contenders.map(({ name, kind, child }): readonly Cell[] => {
        const result = resultNamed(results, name);
        const yardstick = resultNamed(results, `${kind}: ${BARE}`);
        const counted = child === castellan ? trips.get(kind) : undefined;
        return [
          name,
          result.p50,
          result.ratio(({ p50 }) => p50, yardstick),
          result.cpuMicros / 1_000,
          result.ratio(({ cpuMicros }) => cpuMicros, yardstick),
          result.p99,
          ...[counted?.warm, counted?.cold].flatMap((each) => [
            each?.statements.length ?? null,
            each?.commands.length ?? null,
          ]),
        ];
      }),
      notes: [
        `medians of ${rounds} rounds of ${seconds} s, the candidates taking turns; ratios are to Apollo Server with the same request`,
        'warm: what one request of somebody who was seen before asks of PostgreSQL and Redis; cold: of somebody who was not',
        ...[...trips].map(
          ([kind, { warm, cold }]) =>
            `${kind}: warm ${namesOf([...warm.statements, ...warm.commands])}; cold ${namesOf([...cold.statements, ...cold.commands])}`,
        ),
      ],
    };
  },
};

function documentChecks(count: number, asker: string): readonly Check[] {
  return Array.from({ length: count }, (_, n) => ({
    action: ['read', 'update', 'publish'][n % 3] ?? '',
    subject: 'Document',
    id: `document_${n}`,
    attributes: {
      owner: n % 4 === 0 ? asker : `user_${n}`,
      status: n % 2 === 0 ? 'live' : 'draft',
      scope: n % 5 === 0 ? SCOPE : 'acme/team-4',
    },
  }));
}

function userChecks(ids: readonly string[]): readonly Check[] {
  return ids.map((id, n) => ({
    action: ['read', 'disable', 'update'][n % 3] ?? '',
    subject: 'User',
    id,
    ...(n % 3 === 0 && { field: 'email' }),
  }));
}

interface Counted {
  readonly warm: Trips;
  readonly cold: Trips;
}

/** Statements and commands of one request of each kind: by one who was seen before, and by a stranger. */
async function countTrips(
  platform: Platform,
  url: string,
  {
    kinds,
    asker,
    strangers,
  }: {
    kinds: readonly (readonly [string, readonly Check[]])[];
    asker: string;
    strangers: readonly string[];
  },
): Promise<ReadonlyMap<string, Counted>> {
  await using counter = await TripCounter.open(platform);
  const [warm = '', ...cold] = await issueTokens(platform.env, [asker, ...strangers]);
  const found = new Map<string, Counted>();
  for (const [n, [kind, asked]] of kinds.entries()) {
    const request = (token: string) => () => ask(url, QUERY, { checks: asked }, token);
    await request(warm)();
    found.set(kind, {
      warm: await counter.least(Array.from({ length: REPEATS }, () => request(warm))),
      cold: await counter.least(cold.slice(n * REPEATS, (n + 1) * REPEATS).map(request)),
    });
  }
  return found;
}

function refuseWrong(body: string): void {
  const { data } = JSON.parse(body) as { data?: { viewerCanMany?: readonly { allowed: boolean }[] } };
  const answers = data?.viewerCanMany ?? [];
  const allowed = answers.filter((each) => each.allowed).length;
  if (answers.length !== CHECKS || allowed < CHECKS / 10)
    throw new Error(`not the answers that were asked for: ${body.slice(0, 500)}`);
}
