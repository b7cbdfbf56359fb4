import type { PasswordRanges } from '../../domain/users/breached-passwords.ts';

const DEADLINE_MS = 2_000;
/** A range of some two thousand rows is 80 KB, padding included. */
const BYTES_MAX = 262_144;
const ROW = /^([0-9A-F]{35}):(\d{1,12})$/i;

/** GETs `<url>/<prefix>`, as api.pwnedpasswords.com and its mirrors answer it. How long the answer is tells nobody which it was. */
export function openPasswordRanges({
  url,
  deadlineMs = DEADLINE_MS,
}: {
  url: string;
  deadlineMs?: number;
}): PasswordRanges {
  return {
    async suffixes(prefix) {
      const response = await fetch(`${url.replace(/\/$/, '')}/${prefix}`, {
        headers: { 'add-padding': 'true', 'user-agent': 'castellan' },
        redirect: 'error',
        signal: AbortSignal.timeout(deadlineMs),
      });
      if (response.status !== 200) {
        await response.body?.cancel();
        throw new Error(`a range of breached passwords was answered with ${response.status}`);
      }
      return parse(await textOf(response));
    },
  };
}

async function textOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > BYTES_MAX) throw new Error(`a range of breached passwords has more than ${BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('latin1');
}

function parse(text: string): ReadonlySet<string> {
  const suffixes = new Set<string>();
  for (const line of text.split(/\r?\n/)) {
    if (line === '') continue;
    const [, suffix, count] = ROW.exec(line) ?? [];
    if (suffix === undefined) throw new Error('a range of breached passwords has a line that is none');
    // What is padding was in no breach.
    if (Number(count) > 0) suffixes.add(suffix.toUpperCase());
  }
  return suffixes;
}
