import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { systemClock } from './clock.ts';
import { withDeadline } from './deadline.ts';
import type { SettingProblem } from './production-settings.ts';
import { Secret } from './secret.ts';

/**
 * What may come from a file that `NAME_FILE` names, as orchestrators and the agents of vaults mount them: all that is a secret, or an
 * address that may have one in it.
 */
export const SECRET_SETTINGS = [
  'DATABASE_URL',
  'MIGRATION_DATABASE_URL',
  'REDIS_URL',
  'KEY_ENCRYPTION_KEY',
  'ADMIN_PASSWORD',
  'SMTP_URL',
  'AUDIT_SINK_URL',
  'AUDIT_SINK_TOKEN',
  'SECURITY_WEBHOOK_URL',
  'SECURITY_WEBHOOK_SECRET',
  'METRICS_TOKEN',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
] as const;

const READ_MS = 500;

type Given = Readonly<Record<string, string | undefined>>;

/** The settings with what their files hold in place of the files' names, and what is wrong with those. */
export function withSecretFiles(given: Given): { readonly given: Given; readonly problems: readonly SettingProblem[] } {
  const read: Record<string, string | undefined> = { ...given };
  const problems: SettingProblem[] = [];
  for (const name of SECRET_SETTINGS) {
    const variable = fileVariable(name);
    const path = given[variable];
    if (path === undefined) continue;
    const found = given[name] === undefined ? contentOf(path) : { problem: `cannot be given beside ${name}` };
    if ('problem' in found) problems.push({ variable, message: found.problem });
    else read[name] = found.content;
  }
  return { given: read, problems };
}

export function fileVariable(name: string): string {
  return `${name}_FILE`;
}

export function readsFile(given: Given, name: string): boolean {
  return (given[fileVariable(name)] ?? '') !== '';
}

/** The setting that a variable is about: the name itself, or what a file holds. */
export function settingOf(variable: string): string {
  const name = variable.replace(/_FILE$/, '');
  return SECRET_SETTINGS.some((one) => one === name) ? name : variable;
}

function contentOf(path: string): { readonly content: string } | { readonly problem: string } {
  try {
    const content = withoutEnd(readFileSync(path, 'utf8'));
    return content === '' ? { problem: 'names a file that is empty' } : { content };
  } catch (error) {
    return { problem: `names a file that cannot be read (${(error as NodeJS.ErrnoException).code})` };
  }
}

/** Editors and `echo` end what they write with a line. */
function withoutEnd(text: string): string {
  return text.replace(/\r?\n$/, '');
}

/** A secret whose file may hold another one later: those who introduce themselves with it, or ask for it, look before each time. */
export class FileSecret extends Secret {
  readonly #path: string;
  readonly #isUsable: (text: string) => boolean;
  #latest: string;

  /** @param isUsable whether what is found in place of `value` can be used; what cannot is as if it were not there */
  constructor(path: string, value: string, isUsable: (text: string) => boolean = () => true) {
    super(value);
    this.#path = path;
    this.#isUsable = isUsable;
    this.#latest = value;
  }

  override reveal(): string {
    return this.#latest;
  }

  /** While the file is being replaced, or cannot be read, what it held before is as good as anything. */
  override async renewed(): Promise<string> {
    const read = withDeadline(systemClock, readFile(this.#path, 'utf8'), READ_MS, 'a file with a secret');
    const found = withoutEnd(await read.catch(() => ''));
    if (found !== '' && this.#isUsable(found)) this.#latest = found;
    return this.#latest;
  }
}
