import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { demandCases } from '../../src/domain/policy/cases.ts';
import { parseBundle } from '../../src/domain/policy/parse.ts';
import { type Castellans, codesOf, type SignedInUser, startCastellans } from '../support/castellan.ts';

/** A policy as large as one request may bring takes a second to read. Whoever proposes one keeps nobody else waiting for that. */

const PREVIEW = 'query ($files: [PolicyFileInput!]!) { previewPolicy(files: $files) { after } }';
const APPLY = `mutation ($files: [PolicyFileInput!]!, $cases: [PolicyFileInput!]!) {
  applyPolicy(files: $files, cases: $cases, expectedVersion: "none") { version }
}`;

/** Of nothing but empty lists: what costs most to read. */
const FILES = [0, 1].map((n) => ({ path: `policies/${n}.yaml`, text: `x: [${'[],'.repeat(40_000)}]` }));
/** What can be used, beside tables that cannot. */
const GOOD = [{ path: 'policies/a.yaml', text: 'roles: { member: {} }' }];

let castellans: Castellans;
let alice: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(1);
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(() => castellans?.close());

/** Of processor time, so that it does not matter who else works on this machine. */
const usedMs = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1_000;

test.each([
  ['previewPolicy', PREVIEW, { files: FILES, cases: undefined }],
  ['applyPolicy', APPLY, { files: FILES, cases: [] }],
  ['applyPolicy with decision tables', APPLY, { files: GOOD, cases: FILES }],
])('%s takes little of the thread that answers everybody', async (_, query, variables) => {
  const before = process.threadCpuUsage();
  expect(() => demandCases(parseBundle(variables.files), variables.cases ?? [])).toThrow();
  const readingMs = usedMs(process.threadCpuUsage(before));
  const start = process.threadCpuUsage();
  const answer = await castellans.ask(query, { variables, token: alice.accessToken });
  const tookMs = usedMs(process.threadCpuUsage(start));
  expect(codesOf(answer)).toEqual(['BAD_USER_INPUT']);
  expect(tookMs).toBeLessThan(readingMs / 2);
});
