import { argon2Sync } from 'node:crypto';
import { existsSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import type { Argon2Parameters } from './argon2.ts';

/** A nice value: a third of what others get where all want a processor, and none while they want it for a moment only. */
const NICE = 5;

/** Only Linux gives each thread a priority of its own. Where there is no telling which one this is, it goes on as the others do. */
function giveWay(): void {
  if (!existsSync('/proc/thread-self')) return;
  setPriority(Number(basename(readlinkSync('/proc/thread-self'))), NICE);
}

giveWay();
parentPort?.on('message', (parameters: Argon2Parameters) => {
  parentPort?.postMessage(argon2Sync('argon2id', parameters));
});
