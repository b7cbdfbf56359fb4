import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Secret } from '../../kit/secret.ts';

const CHARACTERS_MIN = 32;

/**
 * The secret kept in this file, made once with 384 random bits, readable by its owner alone. One that is there is never replaced: what
 * was sealed under it could not be opened any more.
 */
export async function secretFromFile(path: string): Promise<Secret> {
  const kept = await readKept(path);
  if (kept !== null) return new Secret(kept);

  await mkdir(dirname(path), { recursive: true });
  const value = randomBytes(48).toString('base64url');
  const draft = `${path}.${randomBytes(4).toString('hex')}`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(`${value}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
  return new Secret(value);
}

/** The secret that is kept in this file, null where there is none yet. Throws, saying what to do, for one that cannot be used. */
export async function readKept(path: string): Promise<string | null> {
  const found = await readFile(path, 'utf8').catch((error: unknown) => {
    const { code = '' } = error as NodeJS.ErrnoException;
    // Where there is no folder for it, whoever makes it says so.
    if (['ENOENT', 'ENOTDIR'].includes(code)) return null;
    throw new Error(
      `${path} has the secret that all is sealed under, and cannot be read (${code}): let who runs Castellan read it`,
    );
  });
  const secret = found?.trim() ?? null;
  if (secret !== null && secret.length < CHARACTERS_MIN) {
    throw new Error(
      `${path} should have the secret that all is sealed under, and is cut short: put back what it had, or remove it where nothing is sealed yet`,
    );
  }
  return secret;
}
