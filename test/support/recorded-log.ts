import { PassThrough } from 'node:stream';
import { createLog, type Log } from '../../src/kit/log.ts';

/** A log and what was written to it, line by line. */
export function recordedLog(): { readonly logger: Log; readonly lines: () => readonly string[] } {
  const stream = new PassThrough({ encoding: 'utf8' });
  let text = '';
  stream.on('data', (chunk: string) => (text += chunk));
  return { logger: createLog('debug', stream), lines: () => text.split('\n').filter((line) => line !== '') };
}
