import { existsSync, readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { basename } from 'node:path';

/** A nice value: a third of what others get where all want a processor, and none while they want it for a moment only. */
const NICE = 5;

/** Lets this thread give way to all others. Only Linux gives each a priority of its own: where there is no telling which one this is, it goes on as they do. */
export function giveWay(): void {
  if (!existsSync('/proc/thread-self')) return;
  setPriority(Number(basename(readlinkSync('/proc/thread-self'))), NICE);
}
