import { argon2Sync } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import type { Argon2Parameters } from './argon2.ts';
import { giveWay } from './give-way.ts';

giveWay();
parentPort?.on('message', (parameters: Argon2Parameters) => {
  parentPort?.postMessage(argon2Sync('argon2id', parameters));
});
