import { join } from 'node:path';
import { run, type Running } from '../running.ts';

const BINARY = join(import.meta.dirname, '../../../node_modules/.bin/hive-gateway');

export interface HiveOptions {
  /** The file with the composed SDL. */
  readonly supergraph: string;
  readonly port: number;
  /** A file beside this one. */
  readonly config?: HiveConfig;
  /** What else the configuration reads. */
  readonly env?: Readonly<Record<string, string>>;
}

export type HiveConfig =
  | 'gateway.config.ts'
  | 'websocket.config.ts'
  | 'shared-websocket.config.ts'
  | 'callback.config.ts';

/** Hive Gateway as its command line starts it. */
export function startHive({ supergraph, port, config = 'gateway.config.ts', env = {} }: HiveOptions): Promise<Running> {
  return run({
    command: process.execPath,
    args: [BINARY, 'supergraph', '-c', config, '-p', String(port), '--host', '127.0.0.1', '--fork', '1'],
    cwd: import.meta.dirname,
    env: { SUPERGRAPH: supergraph, ...env },
    url: `http://127.0.0.1:${port}`,
    ready: '/readiness',
  });
}
