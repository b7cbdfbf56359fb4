import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { runCases } from '../src/domain/policy/cases.ts';
import { Engine } from '../src/domain/policy/engine.ts';
import { parseBundle, type PolicyFile } from '../src/domain/policy/parse.ts';

const root = join(import.meta.dirname, '..');
const filesIn = (folder: string): PolicyFile[] =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => ({ path: `${folder}/${name}`, text: readFileSync(join(root, folder, name), 'utf8') }));

const bundle = parseBundle(filesIn('policies'));

test('our own policies answer every case as the decision tables say', () => {
  const report = runCases(bundle, filesIn('policies/cases'));
  expect(report.failures).toEqual([]);
  expect(report.asked).toBeGreaterThan(50);
});

test('every rule of our own policies decides a case', () => {
  expect(runCases(bundle, filesIn('policies/cases')).untried).toEqual([]);
});

test('our own policies load without a warning', () => {
  expect(bundle.warnings).toEqual([]);
});

test('an administrator may do every action there is, and an auditor nothing but read', () => {
  const engine = new Engine(bundle);
  const alice = engine.ability({ id: 'user_alice' }, [{ role: 'administrator', scope: null }]);
  const auditor = engine.ability({ id: 'user_ada' }, [{ role: 'auditor', scope: null }]);
  for (const { name, actions } of bundle.subjects.values()) {
    const record = { __typename: name, id: 'any_1' };
    for (const action of actions) {
      expect([name, action, engine.decide(alice, action, record).allowed]).toEqual([name, action, true]);
      expect([name, action, engine.decide(auditor, action, record).allowed]).toEqual([name, action, action === 'read']);
    }
  }
});
