import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Secret } from '../../kit/secret.ts';

/** The secret kept in this file, made once with 384 random bits, readable by its owner alone. */
export async function secretFromFile(path: string): Promise<Secret> {
  const kept = await readFile(path, 'utf8').catch(() => null);
  if (kept !== null && kept.trim().length >= 32) return new Secret(kept.trim());

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
