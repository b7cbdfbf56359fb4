import type { PolicyFile } from '../../src/domain/policy/parse.ts';

const CHAINS = 4;
const DEPTH = 5;
const ACTIONS = 10;

/** One of the twenty, with permissions on a type of subject that is its own. */
export interface BenchRole {
  readonly name: string;
  readonly inherits: string | null;
  readonly type: string;
  /** On every record. */
  readonly actions: readonly string[];
  /** On the records one owns. */
  readonly ownAction: string;
}

export interface Thing {
  readonly __typename: string;
  readonly id: string;
  readonly ownerId: string;
}

/** Twenty roles in chains of five, ten permissions each; the last permission of a role is for what one owns. */
export const ROLES: readonly BenchRole[] = Array.from({ length: CHAINS * DEPTH }, (_, n) => ({
  name: `role${n}`,
  inherits: n % DEPTH === 0 ? null : `role${n - 1}`,
  type: `Thing${n}`,
  actions: Array.from({ length: ACTIONS - 1 }, (_, action) => `act${action}`),
  ownAction: `act${ACTIONS - 1}`,
}));

/** The roles that bring a whole chain each. */
export const CHAIN_ENDS: readonly string[] = Array.from({ length: CHAINS }, (_, n) => `role${n * DEPTH + DEPTH - 1}`);

export function twentyRoles(): PolicyFile {
  const subjects = ROLES.map(
    ({ type, actions, ownAction }) =>
      `  ${type}:\n    actions: [${[...actions, ownAction].join(', ')}]\n    attributes: { id: id, ownerId: id }\n`,
  );
  const roles = ROLES.map(({ name, inherits, type, actions, ownAction }) => {
    const rules = [
      ...actions.map((action) => `      - { action: ${action}, subject: ${type} }\n`),
      `      - { action: ${ownAction}, subject: ${type}, where: { ownerId: '\${principal.id}' } }\n`,
    ];
    return `  ${name}:\n${inherits === null ? '' : `    inherits: [${inherits}]\n`}    allow:\n${rules.join('')}`;
  });
  return { path: 'many.yaml', text: `subjects:\n${subjects.join('')}roles:\n${roles.join('')}` };
}

/** A record of the type that the nth role is about. */
export const thing = (n: number, ownerId: string): Thing => ({ __typename: `Thing${n}`, id: `thing_${n}`, ownerId });
