import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { serverAudits } from 'graphql-http';
import { startCastellans, type Castellans } from '../support/castellan.ts';

let castellans: Castellans;

beforeAll(async () => {
  castellans = await startCastellans(1);
});

afterAll(() => castellans.close());

/** With the header that every GET brings, so that no page elsewhere can make a browser send it. */
function ask(input: string, { headers, ...init }: { headers?: Record<string, string> } = {}): Promise<Response> {
  return fetch(input, { ...init, headers: { ...headers, 'apollo-require-preflight': 'true' } });
}

/** The audits of the GraphQL over HTTP specification, musts and shoulds alike. */
const audits = serverAudits({ url: () => `${castellans.apps[0]?.url ?? ''}/graphql`, fetchFn: ask });

describe('GraphQL over HTTP', () => {
  test('all audits of the specification are run', () => {
    expect(audits).toHaveLength(61);
  });

  test.each(audits.map((audit) => [`${audit.id} ${audit.name}`, audit] as const))('%s', async (_name, audit) => {
    const result = await audit.fn();
    expect(result.status === 'ok' ? 'ok' : result.reason).toBe('ok');
  });
});
