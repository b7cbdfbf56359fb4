import { connect } from 'node:net';
import { createInterface } from 'node:readline';

const COMMAND = /^\+[\d.]+ \[\d+ (\S+)\] (.*)$/;

/** A command that Redis was sent: its words, without quotes and escapes, and the client's address, or `lua`. */
export interface MonitoredCommand {
  readonly args: readonly string[];
  readonly source: string;
}

/**
 * Tells every command that Redis at `url` is sent from now on. ioredis can do so as well, but takes commands that come in one
 * piece with the answer to MONITOR for answers to commands of its own.
 */
export async function monitorRedis(
  url: string,
  onCommand: (command: MonitoredCommand) => void,
): Promise<{ readonly stop: () => void }> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const begun = Promise.withResolvers<void>();
  socket.on('error', begun.reject);
  createInterface({ input: socket }).on('line', (line) => {
    const [, source, words] = COMMAND.exec(line) ?? [];
    if (source !== undefined && words !== undefined) onCommand({ source, args: wordsOf(words) });
    else if (line === '+OK') begun.resolve();
    else begun.reject(new Error(`Redis told ${line}`));
  });
  socket.write('MONITOR\r\n');
  await begun.promise;
  return { stop: () => socket.destroy() };
}

function wordsOf(quoted: string): readonly string[] {
  return Array.from(quoted.matchAll(/"((?:[^"\\]|\\.)*)"/g), ([, word]) => word ?? '');
}
