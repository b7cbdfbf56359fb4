import { readSchemaText } from '../app.ts';
import type { Report } from './report.ts';

/** `castellan sdl`: what a composition needs to know of this subgraph. */
export function printableSdl(): Report {
  const sdl = readSchemaText();
  return { ok: true, lines: [sdl.trimEnd()], facts: { sdl } };
}
