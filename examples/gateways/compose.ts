/**
 * Composes subgraphs into a supergraph as each of them describes itself, or as a file does:
 * `node examples/gateways/compose.ts castellan=http://castellan:4001/graphql,castellan.graphql documents=http://127.0.0.1:4002/`.
 * Hive Gateway and Apollo Router read what it prints.
 */
import { readFile } from 'node:fs/promises';
import { composeServices } from '@theguild/federation-composition';
import { parse } from 'graphql';

const DEADLINE_MS = 5_000;

export interface Subgraph {
  readonly name: string;
  /** Where the gateway finds it. */
  readonly url: string;
  /** The file with its SDL; asked for at the URL unless given. */
  readonly file?: string | undefined;
}

/** The supergraph's SDL. Throws with everything that does not fit. */
export async function composeSupergraph(subgraphs: readonly Subgraph[]): Promise<string> {
  const services = await Promise.all(
    subgraphs.map(async ({ name, url, file }) => ({
      name,
      url,
      typeDefs: parse(file === undefined ? await sdlOf(url) : await readFile(file, 'utf8')),
    })),
  );
  const { supergraphSdl, errors = [] } = composeServices(services);
  if (supergraphSdl !== undefined) return supergraphSdl;
  throw new Error(`The subgraphs do not fit:\n${errors.map(({ message }) => message).join('\n')}`);
}

/** In production, Castellan keeps this to itself: `castellan sdl` prints it. */
export async function sdlOf(url: string): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"query":"{ service: _service { sdl } }"}',
    signal: AbortSignal.timeout(DEADLINE_MS),
  });
  const { data } = (await response.json()) as { data?: { service: { sdl: string } } | null };
  if (data == null) throw new Error(`${url} does not tell its SDL`);
  return data.service.sdl;
}

if (process.argv[1] === import.meta.filename) {
  const subgraphs = process.argv.slice(2).map((argument) => {
    const [, name = '', url = '', file] = /^([^=]+)=([^,]+)(?:,(.+))?$/.exec(argument) ?? [];
    return { name, url, file };
  });
  process.stdout.write(await composeSupergraph(subgraphs));
}
