/**
 * Loaded before a server, so that its garbage can be collected before its memory is looked at: on SIGUSR2 it collects all there is, and
 * leaves the bytes that are in use in a file.
 */
import { writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { usedBytesFile } from './memory-in-use.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options: object) => void; // what the flag has just exposed
process.on('SIGUSR2', () => {
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  const { heapUsed, external } = process.memoryUsage();
  writeFileSync(usedBytesFile(process.pid), `${heapUsed + external}\n`);
});
