import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { composeSupergraph } from '../../examples/gateways/compose.ts';
import { startHive } from '../../examples/gateways/hive/start.ts';
import { freePort, run, type Running } from '../../examples/gateways/running.ts';
import { startCastellans } from '../support/castellan.ts';
import { fetchSuite, runSuite } from '../support/compatibility-suite.ts';
import { serveProducts } from './products.ts';

/** How to undo what was done, the latest last. */
const undo: (() => Promise<void>)[] = [];

afterAll(async () => {
  for (const step of undo.toReversed()) await step();
});

/** One of the suite's own subgraphs. They do not find their files where the path has to be escaped in a URL, as this one has not. */
async function startSubgraph(folder: string, name: 'users' | 'inventory'): Promise<Running> {
  const place = await mkdtemp(join(tmpdir(), 'castellan-subgraph-'));
  undo.push(() => rm(place, { recursive: true, force: true }));
  await cp(join(folder, 'package.json'), join(place, 'package.json'));
  await cp(join(folder, 'dist/subgraphs', name), join(place, name), { recursive: true });
  const port = await freePort();
  const running = await run({
    command: process.execPath,
    args: [join(place, name, 'index.js')],
    cwd: join(place, name),
    env: { [`${name.toUpperCase()}_PORT`]: String(port) },
    url: `http://127.0.0.1:${port}`,
    ready: '/?query=%7B__typename%7D',
  });
  undo.push(() => running.stop());
  return running;
}

test('Apollo’s compatibility tests of subgraphs pass, all of them', async () => {
  const folder = await fetchSuite();
  const castellans = await startCastellans(1);
  undo.push(() => castellans.close());
  const [app] = castellans.apps;
  if (app === undefined) throw new TypeError('there is no instance');
  const products = await serveProducts(await readFile(join(folder, 'products.graphql'), 'utf8'), app);
  undo.push(() => products.close());
  const [users, inventory] = [await startSubgraph(folder, 'users'), await startSubgraph(folder, 'inventory')];

  const supergraph = `${folder}-${process.pid}.graphql`;
  undo.push(() => rm(supergraph, { force: true }));
  const subgraphs = [
    { name: 'products', url: products.url },
    { name: 'users', url: users.url },
    { name: 'inventory', url: inventory.url },
  ];
  await writeFile(supergraph, await composeSupergraph(subgraphs));
  const gateway = await startHive({ supergraph, port: await freePort() });
  undo.push(() => gateway.stop());

  const result = await runSuite(folder, { products: products.url, gateway: `${gateway.url}/graphql` });
  expect(result).toEqual({ passed: 23, failures: [] });
}, 240_000);
