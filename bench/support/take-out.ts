/**
 * Loaded into a Castellan with `--import`: takes out what its URL names (`?parts=`) while the sources are loaded, and from no file.
 * What can be switched is there until the process that started this one says otherwise.
 */
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { EDITS, edited, type Part, type Switched } from './without.ts';

const ROOT = join(import.meta.dirname, '..', '..');

const parts = new URL(import.meta.url).searchParams.get('parts') ?? '';
const edits = parts === '' ? [] : parts.split(',').flatMap((part) => EDITS[part as Part]); // `without` wrote it

const isOut: Record<Switched, boolean> = { limits: false, records: false };
Object.assign(globalThis, { isOut });
process.on('message', (said: Partial<typeof isOut>) => {
  Object.assign(isOut, said);
  process.send?.('switched');
});
// Who listens would keep the process alive.
process.channel?.unref();

const byUrl = Map.groupBy(edits, ({ file }) => pathToFileURL(join(ROOT, file)).href);

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const here = byUrl.get(url);
    if (here === undefined) return loaded;
    const { source = '' } = loaded;
    const text = typeof source === 'string' ? source : new TextDecoder().decode(source);
    return { ...loaded, source: here.reduce(edited, text) };
  },
});
