import { existsSync, type FSWatcher, watch } from 'node:fs';
import { resolve } from 'node:path';
import type { Clock, Timer } from '../../kit/clock.ts';

/** Saving is several events: a file is emptied, written, renamed. */
const SETTLES_MS = 80;

/**
 * Calls `changed` when something in the folder has changed and then settled, and `failed` when it can be watched no longer.
 * What it returns ends the watch.
 */
export function watchFolder(
  folder: string,
  { clock, changed, failed }: { clock: Clock; changed: () => void; failed: (error: unknown) => void },
): () => void {
  let timer: Timer | null = null;
  let watcher: FSWatcher | null = null;
  open();

  function open(): void {
    try {
      watcher = watch(folder, { recursive: true }, () => {
        timer?.cancel();
        timer = clock.after(SETTLES_MS, settled);
      }).once('error', failed);
    } catch (error) {
      failed(error);
    }
  }

  function settled(): void {
    // On Linux, Node loses sight of a file once another was renamed to its name, as most editors save.
    watcher?.close();
    if (!existsSync(folder)) return failed(new Error(`${resolve(folder)} is not there any more.`));
    open();
    changed();
  }

  return () => {
    timer?.cancel();
    watcher?.close();
  };
}
