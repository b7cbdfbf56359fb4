import { publishedSdl, readSchemaText } from '../app.ts';
import { Misuse, type Report } from './report.ts';

/** `castellan sdl`: what a composition needs to know of this subgraph. @param auth none leaves the auth directives out, policies adds @policy */
export function printableSdl(auth: string | undefined): Report {
  const sdl = publishedSdl(readSchemaText(), auth);
  if (sdl === null)
    throw new Misuse('--auth can be none, which leaves its directives out, or policies, which adds @policy.');
  return { ok: true, lines: [sdl.trimEnd()], facts: { sdl } };
}
