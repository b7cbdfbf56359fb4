import { describe, expect, test } from '@jest/globals';
import { Engine } from '../../../src/domain/policy/engine.ts';
import { parseBundle } from '../../../src/domain/policy/parse.ts';
import { proofText, stepUpChanges } from '../../../src/domain/policy/step-ups.ts';
import { diffLines } from '../../../src/cli/policy-diff-text.ts';

const bundleOf = (stepUp: string | null) =>
  parseBundle([
    {
      path: 'docs.yaml',
      text: `subjects:
  Doc:
    actions: [read, update, delete]
    attributes: { id: id }
${stepUp === null ? '' : `    stepUp: ${stepUp}\n`}roles:
  writer: { allow: [{ action: manage, subject: Doc }] }
`,
    },
  ]);

describe('a step-up', () => {
  test('says by action what a session must have proven', () => {
    const engine = new Engine(bundleOf('{ delete: { level: 2, within: 15m }, update: { within: 12h } }'));
    expect(engine.proofOf('delete', 'Doc')).toEqual({ level: 2, withinSeconds: 900 });
    expect(engine.proofOf('update', 'Doc')).toEqual({ level: 1, withinSeconds: 43_200 });
    expect(engine.proofOf('read', 'Doc')).toBeNull();
    expect(engine.proofOf('delete', 'Box')).toBeNull();
  });

  test('changes nothing about what is allowed', () => {
    const engines = [null, '{ delete: { level: 2 } }'].map((stepUp) => new Engine(bundleOf(stepUp)));
    for (const action of ['read', 'update', 'delete']) {
      const [before, after] = engines.map((engine) => {
        const ability = engine.ability({ id: 'bob' }, [{ role: 'writer', scope: null }]);
        const { allowed } = engine.decide(ability, action, { __typename: 'Doc', id: '1' });
        return { allowed, filter: engine.filter(ability, action, 'Doc'), rules: engine.packedRules(ability) };
      });
      expect(after).toEqual(before);
    }
  });

  test('is part of the version, by what it means', () => {
    const versionOf = (stepUp: string | null) => bundleOf(stepUp).version;
    expect(versionOf('{ delete: { within: 15m } }')).toBe(versionOf('{ delete: { level: 1, within: 900s } }'));
    expect(versionOf('{ delete: { level: 2 }, update: { level: 2 } }')).toBe(
      versionOf('{ update: { level: 2 }, delete: { level: 2 } }'),
    );
    const different = [
      null,
      '{ delete: { within: 15m } }',
      '{ delete: { within: 16m } }',
      '{ delete: { level: 2 } }',
      '{ delete: { level: 2, within: 15m } }',
      '{ update: { level: 2 } }',
    ];
    expect(new Set(different.map(versionOf)).size).toBe(different.length);
    expect(versionOf('{}')).toBe(versionOf(null));
  });

  test('that is another than before is told by the diff of two policies, though nobody gains or loses anything', () => {
    const before = bundleOf('{ delete: { within: 15m }, update: { level: 2 } }');
    const after = bundleOf('{ delete: { level: 2, within: 90s }, update: { level: 2 } }');
    expect(stepUpChanges(before.subjects, before.subjects)).toEqual([]);
    const changes = stepUpChanges(before.subjects, after.subjects);
    expect(changes.map(({ subject, action, ...proof }) => [subject, action, proof])).toEqual([
      ['Doc', 'delete', { before: { level: 1, withinSeconds: 900 }, after: { level: 2, withinSeconds: 90 } }],
    ]);
    expect(changes.map((change) => [proofText(change.before), proofText(change.after)])).toEqual([
      ['within: 15m', 'level: 2, within: 90s'],
    ]);
    expect(stepUpChanges(bundleOf(null).subjects, before.subjects).map(({ action }) => action)).toEqual([
      'delete',
      'update',
    ]);
    const compared = { against: 'old', population: 'cases', asked: 1, people: new Map(), changes: [] } as const;
    const lines = diffLines({ bundles: [before, after], ...compared }, 'new', [], false);
    expect(lines).toContain('STEP UP delete Doc');
    expect(lines).toContain('  before: within: 15m; after: level: 2, within: 90s');
  });
});
