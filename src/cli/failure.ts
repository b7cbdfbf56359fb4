import { ConfigError } from '../config.ts';
import { PolicyError } from '../domain/policy/problems.ts';
import { OwnerFailed } from '../drivers/postgres/owner-failed.ts';
import { Misuse, type OutputOptions, print } from './report.ts';

/** What an operating system or PostgreSQL calls a database that cannot be used, and what to do about it. */
const DATABASE_FAILURES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name of the host cannot be resolved',
  ETIMEDOUT: 'it does not answer',
  EHOSTUNREACH: 'the host cannot be reached',
  '08P01': 'it takes no settings at the start of a connection: a pooler wants DATABASE_PREPARED_STATEMENTS=off',
  '28000': 'it refuses the user',
  '28P01': 'it refuses the user or the password',
  '3D000': 'there is no database of that name: create it first',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not signed by an authority that is trusted here: see sslrootcert',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not signed by an authority that is trusted here: see sslrootcert',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'its certificate is not signed by an authority that is trusted here: see sslrootcert',
  CERT_SIGNATURE_FAILURE: 'its certificate is not signed by the authority that sslrootcert names',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host',
};

/** What an operating system calls a file or folder that cannot be used. */
const FILE_FAILURES: Readonly<Record<string, string>> = {
  EACCES: 'who runs Castellan may not',
  EPERM: 'who runs Castellan may not',
  EROFS: 'it is on a disk that can only be read',
  ENOSPC: 'no space is left on its disk',
  EDQUOT: 'no space is left to who runs Castellan',
  ENOTDIR: 'what should be a folder is a file',
  EEXIST: 'what should be a folder is a file',
  EISDIR: 'what should be a file is a folder',
  EMFILE: 'too many files are open: ulimit -n',
};

/** What pg says in words alone of a connection that did not come about. */
const CONNECTION_FAILURES: readonly (readonly [words: RegExp, failure: string])[] = [
  [/connection timeout|timeout expired|timeout exceeded when trying to connect/, 'it does not answer'],
  [/does not support SSL connections/, 'it has no TLS, which sslmode asks for'],
];

/** Prints why a command did not do its work, without a secret's value; the answer is the exit code. */
export function printFailure(error: unknown, { json }: OutputOptions): number {
  const message = explain(error);
  if (json) print(JSON.stringify({ ok: false, message, ...problemsOf(error) }));
  else process.stderr.write(`${message}\n`);
  return error instanceof Misuse ? 2 : 1;
}

function problemsOf(error: unknown): { readonly problems: readonly object[] } | null {
  return error instanceof ConfigError || error instanceof PolicyError ? { problems: error.problems } : null;
}

/** The message for whoever started the command. A stack is shown for what nobody expected: for anything but an own Error. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof ConfigError || error instanceof Misuse) return error.message;
  if (error instanceof PolicyError) return `The policy files have problems, so nothing was started:\n${error.message}`;

  if (error instanceof OwnerFailed) return explain(error.cause).replace(/^DATABASE_URL/, 'MIGRATION_DATABASE_URL');

  const unanswered = CONNECTION_FAILURES.find(([words]) => words.test(error.message));
  if (unanswered !== undefined) return `DATABASE_URL cannot be used: ${unanswered[1]}.`;

  const isOwn = error.name === 'Error' && !('code' in error);
  if (isOwn) return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;

  for (const { code, syscall, port, address, hostname, path } of causesOf(error)) {
    if (code === 'EADDRINUSE')
      return `Port ${port} is taken. Stop what uses it, or choose another: PORT=4002 npm start`;
    if (code === 'EACCES' && syscall === 'listen') return `Port ${port} may not be used by this user: choose another`;
    const unusable = code === undefined ? undefined : FILE_FAILURES[code];
    if (unusable !== undefined && (path !== undefined || syscall === 'write')) {
      return `${path ?? 'A file'} cannot be ${path === undefined ? 'written' : 'used'}: ${unusable} (${code}, ${syscall}).`;
    }
    // What Node says of folders on a disk that can only be read.
    if (code === 'ENOENT' && syscall === 'mkdir') return `${path} cannot be made (${code}, ${syscall}).`;
    const failure = code === undefined ? undefined : DATABASE_FAILURES[code];
    const place = address === undefined ? hostname : `${address}:${port}`;
    if (failure !== undefined) {
      return `DATABASE_URL cannot be used: ${failure} (${[code, place].filter(Boolean).join(', ')}).`;
    }
  }
  return error.stack ?? error.message;
}

interface SystemError {
  readonly code?: string;
  readonly syscall?: string;
  readonly port?: number;
  readonly address?: string;
  readonly hostname?: string;
  readonly path?: string;
}

/** An error and what caused it: drivers wrap, and a host with two addresses fails with one error for each. */
function causesOf(error: Error): readonly SystemError[] {
  const found: Error[] = [error];
  for (const { cause, errors } of found as { cause?: unknown; errors?: unknown }[]) {
    const inner = [cause, ...(Array.isArray(errors) ? errors : [])];
    // A circle of causes would not end.
    found.push(...inner.filter((one): one is Error => one instanceof Error && !found.includes(one)));
  }
  return found as SystemError[];
}
