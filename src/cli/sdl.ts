import { AUTH_MEANS, publishedSdl, readSchemaText } from '../app.ts';
import { Misuse, type Report } from './report.ts';

/** `castellan sdl`: what a composition needs to know of this subgraph. @param auth as `publishedSdl` takes it */
export function printableSdl(auth: string | undefined): Report {
  const sdl = publishedSdl(readSchemaText(), auth);
  if (sdl === null) throw new Misuse(`--auth can be ${AUTH_MEANS}.`);
  return { ok: true, lines: [sdl.trimEnd()], facts: { sdl } };
}
