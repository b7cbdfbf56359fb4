import { didYouMean } from '../domain/policy/words.ts';
import { fileVariable, SECRET_SETTINGS } from '../kit/secret-files.ts';
import type { SettingProblem } from '../kit/production-settings.ts';
import type { Environment } from './environment.ts';
import { SETTINGS } from './settings.ts';

/** An environment is full of names that are none of ours, and a short one is soon like another. */
const LENGTH_MIN = 7;
/** `TRUSTED_PROXY` for `TRUSTED_PROXIES`. */
const SLIPS_MAX = 3;
const LETTERS_PER_SLIP = 4;

/** Variables that are like a setting and are none, so that the setting is as if it had not been given. */
export function misspeltSettings(env: Environment): readonly SettingProblem[] {
  const known = [...SETTINGS.map(({ variable }) => variable), ...SECRET_SETTINGS.map(fileVariable)];
  return Object.keys(env)
    .filter((variable) => variable.length >= LENGTH_MIN && !known.includes(variable))
    .flatMap((variable) => {
      const hint = didYouMean(variable, known, Math.min(SLIPS_MAX, Math.floor(variable.length / LETTERS_PER_SLIP)));
      return hint === undefined ? [] : [{ variable, message: `is no setting: ${hint}` }];
    });
}
