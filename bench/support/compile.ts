import type { Bundle } from '../../src/domain/policy/bundle.ts';
import { Engine } from '../../src/domain/policy/engine.ts';

/** An engine with every rule compiled and every index built: somebody holds all roles, and has asked for every action. */
export function compileForAll(bundle: Bundle): Engine {
  const engine = new Engine(bundle);
  const ability = engine.ability(
    { id: 'usr_bob' },
    [...bundle.roles.keys()].map((role) => ({ role, scope: null })),
  );
  for (const { name, actions } of bundle.subjects.values()) {
    for (const action of actions) engine.decide(ability, action, { __typename: name, id: 'thing_1' });
  }
  return engine;
}
