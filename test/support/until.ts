import { setTimeout as poll } from 'node:timers/promises';

const POLL_MS = 20;
const GIVES_UP_MS = 20_000;

/** Asks until it is so: for servers, which announce it to nobody. */
export async function untilSo(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const givesUpAt = performance.now() + GIVES_UP_MS;
  while (!(await isSo())) {
    if (performance.now() > givesUpAt) throw new Error(`not within ${GIVES_UP_MS} ms: ${what}`);
    await poll(POLL_MS);
  }
}
