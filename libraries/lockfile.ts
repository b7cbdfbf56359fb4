import { readFileSync } from 'node:fs';

/** What npm says of one installed library, by the folder that it is in. */
export interface Locked {
  readonly version: string;
  /** As browsers have it for scripts: `sha512-…`. */
  readonly integrity?: string;
  readonly resolved?: string;
  readonly license?: string;
  /** That only tests and tools need it. */
  readonly dev?: boolean;
  /** That Castellan runs without it. */
  readonly optional?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

export interface Lockfile {
  readonly packages: Readonly<Record<string, Locked>>;
}

export function readLockfile(): Lockfile {
  return JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as Lockfile; // npm wrote it
}

const FOLDER = 'node_modules/';

/** `node_modules/a/node_modules/@b/c` is `@b/c`. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf(FOLDER) + FOLDER.length);
}

/** Folders of everything that is installed to run Castellan, and not to test or build it. */
export function shipped({ packages }: Lockfile): readonly string[] {
  return Object.entries(packages).flatMap(([path, { dev }]) => (path === '' || dev === true ? [] : [path]));
}

/** The folder of what `name` means to whoever is in `path`: the nearest one upwards; null where there is none. */
export function resolved({ packages }: Lockfile, path: string, name: string): string | null {
  for (let from = path; ; from = from.slice(0, Math.max(0, from.lastIndexOf(FOLDER) - 1))) {
    const found = `${from === '' ? '' : `${from}/`}${FOLDER}${name}`;
    if (found in packages) return found;
    if (from === '') return null;
  }
}
