import type { Control } from './control.ts';

/** Controls that what was revoked is revoked, and what was changed is changed. */
export const FORCE: readonly Control[] = [
  {
    name: 'lease',
    file: 'src/domain/authority/tail.ts',
    find: 'return monotonic < this.#leaseUntil && jumped',
    replace: 'return jumped',
    test: 'test/domain/authority/simulation.test.ts',
    title: 'no instance permits what was enforced, and everything comes right again, in any history',
  },
  {
    name: 'revoked-tombstone',
    file: 'src/domain/authority/tombstones.ts',
    find: 'return seq !== undefined && takesAway(target, seq, label);',
    replace: 'return false;',
    test: 'test/domain/authority/simulation.test.ts',
    title: 'no instance permits what was enforced, and everything comes right again, in any history',
  },
  {
    name: 'changed-tombstone',
    file: 'src/domain/authority/tombstones.ts',
    find: 'if (seq !== undefined && seq > asOf) return true;',
    replace: '',
    test: 'test/domain/authority/simulation.test.ts',
    title: 'no instance permits what was enforced, and everything comes right again, in any history',
  },
  {
    name: 'acknowledgement-signature',
    file: 'src/domain/authority/acknowledgements.ts',
    find: "if (!this.#keys.verify('acknowledgements', signature, instanceId, epoch, String(applied))) return;",
    replace: '',
    test: 'test/domain/authority/simulation.test.ts',
    title: 'no instance permits what was enforced, and everything comes right again, in any history',
  },
  {
    name: 'effect-fence',
    file: 'src/domain/authority/authority.ts',
    find: 'if (outdated) throw new Outdated();',
    replace: '',
    test: 'test/api/effect-fence.test.ts',
    title: 'AC-08: cannot commit after its session was revoked',
  },
  {
    name: 'cached-entry-signature',
    file: 'src/domain/authority/labelled.ts',
    find: "|| !this.#keys.verify('cache', text.slice(0, end), key, body)) return null;",
    replace: ') return null;',
    test: 'test/api/session-states.test.ts',
    title: 'is refused where it is forged, exchanged, cut off or of another kind',
  },
  {
    name: 'revoked-signing-key',
    file: 'src/domain/authority/tombstones.ts',
    find: "return seq > label || isId('signingKey', target);",
    replace: 'return seq > label;',
    test: 'test/api/signing-keys.test.ts',
    title: 'AC-30: a thief who has the key gains nothing by a label of the future',
  },
];
