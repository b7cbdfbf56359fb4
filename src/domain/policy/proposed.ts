import { badInput, Refusal } from '../refusals.ts';
import type { PolicyFile } from './document.ts';
import { PolicyError } from './problems.ts';

const FILES_MAX = 200;

/** What is made of files that somebody wants in force. Refuses with BAD_USER_INPUT and every problem that `make` finds in them. */
export function proposed<T>(field: 'files' | 'cases' | 'version', files: readonly PolicyFile[], make: () => T): T {
  if (files.length > FILES_MAX) throw badInput(field, `There may be at most ${FILES_MAX} files.`);
  try {
    return make();
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    throw new Refusal('BAD_USER_INPUT', error.message, { field, problems: error.problems });
  }
}
