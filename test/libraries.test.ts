import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { type Lockfile, nameOf, readLockfile, resolved, shipped } from '../libraries/lockfile.ts';
import { sbomOf } from '../libraries/sbom.ts';
import { type Answers, type AuditAnswer, heldToFrames } from '../libraries/time-frames.ts';
import { isWithin } from '../libraries/versions.ts';
import { ROOT } from './support/source-files.ts';

interface Sbom {
  readonly components: readonly {
    readonly purl: string;
    readonly version: string;
    readonly scope: string;
    readonly hashes: readonly { readonly alg: string; readonly content: string }[];
    readonly externalReferences: readonly { readonly url: string }[];
  }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

describe('the inventory of libraries', () => {
  const lockfile = readLockfile();
  const project = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Parameters<typeof sbomOf>[0];
  const sbom = sbomOf(project, lockfile) as Sbom;
  const byPurl = new Map(sbom.components.map((component) => [component.purl, component]));

  test('has every library that is not for tests and tools, with its version and hash, and nothing else', () => {
    const locked = Object.entries(lockfile.packages).filter(([path, { dev }]) => path !== '' && dev !== true);
    expect(locked.length).toBeGreaterThan(150);
    const purls = locked.map(([path, { version, integrity = '' }]) => {
      const purl = `pkg:npm/${nameOf(path).replace('@', '%40')}@${version}`;
      const hex = Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex');
      expect(byPurl.get(purl)).toMatchObject({ version, hashes: [{ alg: 'SHA-512', content: hex }] });
      expect(hex).toHaveLength(128);
      return purl;
    });
    expect([...byPurl.keys()].toSorted()).toEqual([...new Set(purls)].toSorted());
  });

  test('has each from the registry of npm', () => {
    const urls = sbom.components.flatMap(({ externalReferences }) => externalReferences.map(({ url }) => new URL(url)));
    expect([...new Set(urls.map(({ origin }) => origin))]).toEqual(['https://registry.npmjs.org']);
    const elsewhere = Object.values(lockfile.packages).filter(
      ({ resolved: from = 'https://registry.npmjs.org/' }) => !from.startsWith('https://registry.npmjs.org/'),
    );
    expect(elsewhere).toEqual([]);
    // Where npm would ask another one, whatever the lockfile says.
    expect(readFileSync(join(ROOT, '.npmrc'), 'utf8')).not.toMatch(/registry/);
    expect(readFileSync(join(ROOT, 'Dockerfile'), 'utf8')).not.toMatch(/registry/);
  });

  test('says what needs what, and everything in it is needed', () => {
    const needs = new Map(sbom.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]));
    const reached = new Set<string>();
    const walk = (ref: string): void => {
      if (reached.has(ref)) return;
      reached.add(ref);
      for (const each of needs.get(ref) ?? []) walk(each);
    };
    walk(`pkg:npm/castellan@${project.version}`);
    expect([...byPurl.keys()].filter((purl) => !reached.has(purl))).toEqual([]);
  });

  test('a library in a library is found before one beside it', () => {
    const packages = { 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '1.0.0' } };
    const nested: Lockfile = { packages: { ...packages, 'node_modules/a/node_modules/b': { version: '2.0.0' } } };
    expect(resolved(nested, 'node_modules/a', 'b')).toBe('node_modules/a/node_modules/b');
    expect(resolved(nested, 'node_modules/b', 'a')).toBe('node_modules/a');
    expect(resolved(nested, 'node_modules/b', 'c')).toBeNull();
    expect(
      shipped({ packages: { ...nested.packages, 'node_modules/d': { version: '1.0.0', dev: true } } }),
    ).toHaveLength(3);
  });
});

describe('of ranges of versions,', () => {
  test.each([
    ['1.2.3', '<1.2.4', true],
    ['1.2.4', '<1.2.4', false],
    ['1.2.4', '<=1.2.4', true],
    ['1.5.0', '>=1.0.0 <1.2.4 || >= 1.4.0 <2.0.0', true],
    ['1.3.0', '>=1.0.0 <1.2.4 || >=1.4.0 <2.0.0', false],
    ['2.0.0-rc.1', '<2.0.0', true],
    ['3.1.4', '3.1.4', true],
    ['3.1.4', '*', true],
    ['3.1.4', 'what nobody understands', true],
  ])('%s is in %s: %s', (version, range, is) => {
    expect(isWithin(version, range)).toBe(is);
  });
});

describe('a library', () => {
  const NOW = Date.parse('2026-11-30T00:00:00Z');
  const at = (days: number): string => new Date(NOW - days * 86_400_000).toISOString();

  /** As npm has said it of a version that somebody had installed. */
  const audit = (severity: string): AuditAnswer => ({
    vulnerabilities: {
      ws: {
        via: [
          {
            title: 'ws affected by a DoS when handling a request with many HTTP headers',
            url: 'https://github.com/advisories/GHSA-3h5v-q93c-6h6q',
            severity,
            range: '>=8.0.0 <8.17.1',
          },
        ],
        nodes: ['node_modules/ws'],
      },
      'graphql-ws': { via: ['ws'], nodes: ['node_modules/graphql-ws'] },
    },
  });
  const asked = (more: Partial<Answers>): Answers => ({
    audit: { vulnerabilities: {} },
    versions: new Map([['node_modules/ws', '8.17.0']]),
    direct: [],
    times: new Map(),
    deprecated: new Map(),
    ...more,
  });

  test.each([
    ['critical', 'critical', 2],
    ['high', 'high', 7],
    ['moderate', 'vulnerable', 30],
    ['low', 'vulnerable', 30],
  ])(
    'with a %s vulnerability is in breach as %s when a version without it is older than %i days',
    (severity, kind, days) => {
      const fixed = (daysAgo: number) =>
        heldToFrames(
          asked({
            audit: audit(severity),
            times: new Map([['ws', { '8.17.0': at(400), '8.17.1': at(daysAgo), '8.18.0': at(1), created: at(900) }]]),
          }),
          NOW,
        );
      expect(fixed(days + 1)).toMatchObject([{ library: 'ws', version: '8.17.0', kind, breached: true }]);
      expect(fixed(days - 1)).toMatchObject([{ library: 'ws', kind, breached: false }]);
    },
  );

  test('with a vulnerability that no version is without is in breach at once', () => {
    const [finding] = heldToFrames(asked({ audit: audit('low'), times: new Map([['ws', { '8.17.0': at(3) }]]) }), NOW);
    expect(finding).toMatchObject({ breached: true, why: expect.stringContaining('turn off what uses it') });
  });

  test('with a version that the vulnerability is not in is in none', () => {
    const versions = new Map([['node_modules/ws', '8.18.0']]);
    expect(heldToFrames(asked({ audit: audit('critical'), versions }), NOW)).toEqual([]);
  });

  const direct = ['node_modules/ws'];

  test('with a newer version of its major is in breach after a quarter of a year, and a trial or another major is none', () => {
    const times = (daysAgo: number) =>
      new Map([
        ['ws', { '8.17.0': at(200), '8.18.0': at(daysAgo), '8.19.0': at(1), '9.0.0': at(300), '8.20.0-rc.1': at(300) }],
      ]);
    expect(heldToFrames(asked({ direct, times: times(93) }), NOW)).toMatchObject([{ kind: 'behind', breached: true }]);
    expect(heldToFrames(asked({ direct, times: times(91) }), NOW)).toMatchObject([{ kind: 'behind', breached: false }]);
    const none = new Map([['ws', { '8.17.0': at(200), '9.0.0': at(300), '8.20.0-rc.1': at(300) }]]);
    expect(heldToFrames(asked({ direct, times: none }), NOW)).toEqual([]);
  });

  test('without a release for two years is in breach half a year later, and one that is deprecated half a year after its last', () => {
    const times = (daysAgo: number) => new Map([['ws', { '8.17.0': at(daysAgo) }]]);
    const kinds = (daysAgo: number, deprecated: Answers['deprecated'] = new Map()) =>
      heldToFrames(asked({ direct, times: times(daysAgo), deprecated }), NOW).map(({ kind, breached }) => [
        kind,
        breached,
      ]);
    expect(kinds(700)).toEqual([]);
    expect(kinds(800)).toEqual([['abandoned', false]]);
    expect(kinds(920)).toEqual([['abandoned', true]]);
    expect(kinds(100, new Map([['ws', 'use another']]))).toEqual([['abandoned', false]]);
    expect(kinds(200, new Map([['ws', 'use another']]))).toEqual([['abandoned', true]]);
  });
});
