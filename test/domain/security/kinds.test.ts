import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SECURITY_EVENT_KINDS, type SecurityEventKind } from '../../../src/domain/security/security-event.ts';
import { ROOT } from '../../support/source-files.ts';

/** That each kind of security event has one test that raises it and one that comes close and raises none. */

const DETECTORS = 'test/attacks/detectors.test.ts';
const TAKEOVERS = 'test/api/takeover.test.ts';

/** Those that are no scenario of the table there, which has both: the titles of the two tests, or of the one that does both. */
const BY_TITLE: Readonly<Partial<Record<SecurityEventKind, readonly [file: string, ...titles: string[]]>>> = {
  'api_key.new_network': [
    DETECTORS,
    'an API key that is used from another network than before, and not the first time it is used',
  ],
  'signing_key.rotated': [DETECTORS, 'signing keys that are rotated and revoked, each once'],
  'signing_key.revoked': [DETECTORS, 'signing keys that are rotated and revoked, each once'],
  'policy.changed': [DETECTORS, 'another policy, but not the first one, nor the same again'],
  'session.takeover_suspected': [
    TAKEOVERS,
    'a token on another device in another network leaves one event and goes on: %s',
    'another network alone, or another device alone, is nothing: %s',
  ],
  'session.refresh_reuse': [
    TAKEOVERS,
    'an old refresh token leaves an event that is critical, and one within its grace leaves none',
  ],
};

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const isScenario = (kind: string): boolean => read(DETECTORS).includes(`    kind: '${kind}',\n    threshold: `);

test.each(SECURITY_EVENT_KINDS)('%s has a test that raises it and one that just does not', (kind) => {
  const [file, ...titles] = BY_TITLE[kind] ?? [];
  expect(isScenario(kind)).toBe(file === undefined);
  if (file === undefined) return;
  expect(read(file)).toContain(kind);
  for (const title of titles) expect(read(file)).toContain(`'${title}'`);
});

test('the table has both tests for each of its scenarios', () => {
  expect(read(DETECTORS)).toContain('describe.each(SCENARIOS)');
  expect(read(DETECTORS)).toContain("test('just less than it takes raises none");
  expect(read(DETECTORS)).toContain("test('as much as it takes, spread over three instances, raises one");
});
