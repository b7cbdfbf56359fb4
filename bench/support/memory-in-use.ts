import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Child, residentMiBOf } from './child.ts';

/** Loaded before a server whose memory is looked at. */
export const COLLECT = ['--import', join(import.meta.dirname, 'collect.ts')];
const TRIES = 100;
/** Until the system has back what is not used any more. */
const SETTLE_MS = 1_000;

export interface MemoryInUse {
  readonly residentBytes: number;
  /** Of the heap of JavaScript, with its buffers. */
  readonly heapBytes: number;
}

/** Where a server that was started with {@link COLLECT} leaves them. */
export function usedBytesFile(pid: number): string {
  return join(tmpdir(), `castellan-bench-${pid}.bytes`);
}

/** The memory of a server once what is no more has been collected. */
export async function memoryInUse({ pid }: Child): Promise<MemoryInUse> {
  const file = usedBytesFile(pid);
  await rm(file, { force: true });
  process.kill(pid, 'SIGUSR2');
  for (let tries = 0; tries < TRIES; tries += 1) {
    await sleep(SETTLE_MS);
    const text = await readFile(file, 'utf8').catch(() => '');
    if (!text.endsWith('\n')) continue;
    await rm(file);
    return { residentBytes: residentMiBOf(pid) * 1_048_576, heapBytes: Number(text) };
  }
  throw new Error(`process ${pid} does not say what it uses`);
}
