/** Loaded into a Castellan with `--import`: takes out what its URL names (`?parts=`) while the sources are loaded, and from no file. */
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { EDITS, edited, type Part, UNLIMITED } from './without.ts';

const ROOT = join(import.meta.dirname, '..', '..');

const parts = new URL(import.meta.url).searchParams.get('parts') ?? '';
const edits = parts === '' ? [] : parts.split(',').flatMap((part) => EDITS[part as Part]); // `without` wrote it
if (parts.split(',').includes('limits')) {
  let unlimited = false;
  process.on(UNLIMITED, () => Object.assign(globalThis, { unlimited: (unlimited = !unlimited) }));
}

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
