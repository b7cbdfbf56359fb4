import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import type { Config } from '../config.ts';
import { readKept } from '../drivers/files/secret-file.ts';
import type { SettingProblem } from '../kit/production-settings.ts';

/** Less than this is soon full, of whatever. */
const FREE_BYTES_MIN = 512 * 1024 * 1024;

/** What this machine lacks for what Castellan writes, or where it listens. The message goes on after the name of the variable. */
export async function machineProblems(config: Config): Promise<readonly SettingProblem[]> {
  const problems = await Promise.all([
    told('HOST', nowhere(config)),
    told('CASTELLAN_DIR', usesFolder(config) ? notOurs(config.dataDir) : null),
    told('KEY_ENCRYPTION_KEY', config.keyEncryptionKeys === null ? unreadKey(config.dataDir) : null),
  ]);
  return problems.flat();
}

/** What a start goes on with, or what ends with whoever uses it now. */
export async function machineWarnings(config: Config): Promise<readonly SettingProblem[]> {
  const warnings = await Promise.all([
    told('PORT', taken(config)),
    told('CASTELLAN_DIR', usesFolder(config) ? almostFull(config.dataDir) : null),
    told('AUDIT_HEADS', headsUnkept(config.auditHeads)),
  ]);
  return warnings.flat();
}

async function told(variable: string, message: Promise<string | null> | null): Promise<readonly SettingProblem[]> {
  const found = await message;
  return found === null ? [] : [{ variable, message: found }];
}

/** The embedded server, a generated secret, or mails in development. */
function usesFolder({ databaseUrl, keyEncryptionKeys, smtpUrl, production }: Config): boolean {
  return databaseUrl === null || keyEncryptionKeys === null || (smtpUrl === null && !production);
}

async function nowhere(config: Config): Promise<string | null> {
  const code = await failsToListen({ ...config, port: 0 });
  return code === null ? null : `must be an address of this machine, and is none (${code})`;
}

async function taken(config: Config): Promise<string | null> {
  if (config.port === 0) return null;
  const isTaken = (await failsToListen(config)) === 'EADDRINUSE';
  return isTaken ? `is ${config.port}, which is in use: by a Castellan that runs here, or a start would fail` : null;
}

function failsToListen({ host, port }: Pick<Config, 'host' | 'port'>): Promise<string | null> {
  const server = createServer();
  return new Promise((settle) => {
    server.once('error', ({ code = 'unknown' }: NodeJS.ErrnoException) => settle(code));
    server.listen({ host, port, exclusive: true }, () => server.close(() => settle(null)));
  });
}

async function notOurs(folder: string): Promise<string | null> {
  const isFolder = (await stat(await thereOf(folder))).isDirectory();
  const reason = isFolder ? await unwritable(folder) : 'ENOTDIR';
  return reason === null ? null : `must name a folder that can be written (${reason})`;
}

/** That of the file which a start reads, or makes. */
function unreadKey(dataDir: string): Promise<string | null> {
  return readKept(join(dataDir, 'key-encryption-key')).then(
    () => null,
    (error: unknown) => `is not set: ${(error as Error).message}`,
  );
}

async function almostFull(folder: string): Promise<string | null> {
  const found = await statfs(await thereOf(folder)).catch(() => null);
  if (found === null) return null;
  const free = found.bavail * found.bsize;
  return free >= FREE_BYTES_MIN ? null : `is on a disk with ${Math.floor(free / 1024 / 1024)} MB left`;
}

async function headsUnkept(path: string | null): Promise<string | null> {
  if (path === null) return null;
  const isFile = await stat(path).then(
    (found) => found.isFile() || found.isCharacterDevice() || found.isFIFO(),
    () => null,
  );
  if (isFile === false) return 'names a folder: heads of the audit log are not kept';
  const reason = isFile === null ? await unwritable(dirname(path), { made: false }) : await unwritable(path);
  return reason === null
    ? null
    : `names a file that cannot be written (${reason}): heads of the audit log are not kept`;
}

/** Why somebody cannot write there, as the operating system says it. What is not there is made, unless it is not to be. */
async function unwritable(path: string, { made = true } = {}): Promise<string | null> {
  return access(made ? await thereOf(path) : path, constants.W_OK).then(
    () => null,
    (error: NodeJS.ErrnoException) => error.code ?? error.message,
  );
}

/** The path, or the nearest of the folders above it that is there. */
async function thereOf(path: string): Promise<string> {
  const whole = resolve(path);
  const isThere = await stat(whole).then(
    () => true,
    () => false,
  );
  return isThere || whole === dirname(whole) ? whole : thereOf(dirname(whole));
}
