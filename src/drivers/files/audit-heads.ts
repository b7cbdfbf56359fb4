import { appendFile } from 'node:fs/promises';
import type { HeadsFile } from '../../domain/audit/heads.ts';

/** Appends one line of JSON for each head. Several instances may write the same file: a line is one write. */
export function openHeadsFile(path: string): HeadsFile {
  return { append: (head) => appendFile(path, `${JSON.stringify(head)}\n`, { mode: 0o600 }) };
}
