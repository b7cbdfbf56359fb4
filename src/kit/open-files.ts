import { readFileSync } from 'node:fs';

/** How many files this process may have open, sockets among them; Infinity where nobody says. */
export function openFilesMax(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return Number(soft ?? Infinity);
  } catch {
    return Infinity; // there is no /proc
  }
}
