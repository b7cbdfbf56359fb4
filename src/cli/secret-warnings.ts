import { statSync } from 'node:fs';
import type { SettingProblem } from '../kit/production-settings.ts';
import { fileVariable, readsFile, SECRET_SETTINGS } from '../kit/secret-files.ts';
import type { Environment } from './environment.ts';

/** Of the permissions of a file, that everybody may read it. */
const READ_BY_OTHERS = 0o004;
const PASSWORD_IN_URL = /\/\/[^/@]*:[^@]+@|[?&](sentinelP|p)assword=/;

/** What may be better about how production gets its secrets; the message goes on after the name of the variable. */
export function secretWarnings(env: Environment): readonly SettingProblem[] {
  return SECRET_SETTINGS.flatMap((name) => {
    const variable = fileVariable(name);
    if (readsFile(env, name)) return isReadByAll(env[variable] ?? '') ? [{ variable, message: READABLE }] : [];
    const value = env[name] ?? '';
    return [
      ...(isSecret(name, value) ? [{ variable: name, message: `${IN_ENVIRONMENT} ${variable} names one` }] : []),
      ...(isReadByAll(clientKeyOf(value)) ? [{ variable: name, message: `has an sslkey that ${READABLE}` }] : []),
    ];
  });
}

const READABLE = 'names a file that everybody on this machine may read: take that away with chmod o-r';
const IN_ENVIRONMENT =
  'comes from the environment, which child processes, crash reports and whoever may inspect the process see; a file is read by its owner:';

function isSecret(name: string, value: string): boolean {
  return /_(URL|ENDPOINT)$/.test(name) ? PASSWORD_IN_URL.test(value) : value !== '';
}

/** The file of the key with which a user of PostgreSQL proves who it is. */
function clientKeyOf(url: string): string {
  return URL.parse(url)?.searchParams.get('sslkey') ?? '';
}

function isReadByAll(path: string): boolean {
  const found = path === '' ? undefined : statSync(path, { throwIfNoEntry: false });
  return found !== undefined && (found.mode & READ_BY_OTHERS) !== 0;
}
