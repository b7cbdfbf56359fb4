import { readSchemaText, withAuth, withoutAuth } from '../app.ts';
import { Misuse, type Report } from './report.ts';

/** `castellan sdl`: what a composition needs to know of this subgraph. @param auth none leaves the auth directives out */
export function printableSdl(auth: string | undefined): Report {
  if (auth !== undefined && auth !== 'none') throw new Misuse('--auth can be none, which leaves its directives out.');
  const sdl = auth === undefined ? withAuth(readSchemaText()) : withoutAuth(readSchemaText());
  return { ok: true, lines: [sdl.trimEnd()], facts: { sdl } };
}
