import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, type Running } from '../running.ts';

export interface GrafbaseOptions {
  /** The GraphQL of each. */
  readonly castellan: string;
  readonly documents: string;
  readonly port: number;
  /** A file with Castellan's schema, which is asked for otherwise. */
  readonly schema?: string;
}

/** The program, or null on machines that its publisher has none for. */
export function grafbaseBinary(): string | null {
  try {
    return createRequire(import.meta.url).resolve('@grafbase/cli-x86_64-unknown-linux-musl/grafbase');
  } catch {
    return null;
  }
}

/** Grafbase Gateway, as `grafbase dev` starts it, on the configuration beside this file. */
export async function startGrafbase({ castellan, documents, port, schema }: GrafbaseOptions): Promise<Running> {
  const binary = grafbaseBinary();
  if (binary === null) throw new Error('There is no Grafbase Gateway for this machine.');
  const folder = await mkdtemp(join(tmpdir(), 'castellan-grafbase-'));
  const written = await readFile(join(import.meta.dirname, 'grafbase.toml'), 'utf8');
  const found = schema === undefined ? '$&' : `schema_path = "${schema}"`;
  const config = written
    .replace(/^introspection_url = .*$/m, found)
    .replaceAll('http://127.0.0.1:4001/graphql', castellan)
    .replaceAll('ws://127.0.0.1:4001/graphql', castellan.replace('http', 'ws'))
    .replaceAll('http://127.0.0.1:4002/', documents);
  await writeFile(join(folder, 'grafbase.toml'), config);
  const running = await run({
    command: binary,
    args: ['--home', folder, 'dev', '-c', join(folder, 'grafbase.toml'), '-p', String(port)],
    cwd: folder,
    url: `http://127.0.0.1:${port}`,
    ready: '/health',
  });
  return {
    ...running,
    async stop() {
      await running.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
