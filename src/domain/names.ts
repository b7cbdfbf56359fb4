import { badInput } from './refusals.ts';

const NAME_LENGTH_MAX = 200;

/** The name of a user, a service account or a key without surrounding space; refuses with BAD_USER_INPUT what cannot be one. */
export function parseName(name: string): string {
  const trimmed = name.trim();
  if (trimmed !== '' && trimmed.length <= NAME_LENGTH_MAX && !/\p{Cc}/u.test(trimmed)) return trimmed;
  throw badInput('name', `A name has 1 to ${NAME_LENGTH_MAX} characters and no control characters.`);
}
