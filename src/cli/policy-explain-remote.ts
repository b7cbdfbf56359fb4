import type { Endpoint } from './endpoint.ts';
import type { Explained, ExplainOptions } from './policy-explain.ts';
import { Misuse } from './report.ts';

const RULE =
  'rule file line effect role inheritance reason matches conditions { attribute operator expected actual holds note }';
const EXPLAIN = `query ($principalId: ID!, $action: String!, $subject: String!, $id: ID, $field: String) {
  explain(principalId: $principalId, action: $action, subject: $subject, id: $id, field: $field) {
    allowed reason policyVersion roles needs { text }
    rule { ${RULE} }
    nearestMiss { ${RULE} }
  }
}`;

type Answer = Omit<Explained, 'who' | 'what' | 'needs' | 'note'> & {
  readonly needs: readonly { readonly text: string }[] | null;
};

export async function askToExplain(
  endpoint: Endpoint,
  { principal, action, subject, id, field }: ExplainOptions & { readonly principal: string },
): Promise<Omit<Explained, 'what' | 'note'>> {
  const principalId = await idOf(endpoint, principal);
  const variables = { principalId, action, subject, id, field };
  const { explain } = await endpoint.ask<{ explain: Answer }>(EXPLAIN, variables);
  return { ...explain, needs: explain.needs?.map(({ text }) => text) ?? null, who: principal };
}

/** There is no way to look others up by their address. */
async function idOf(endpoint: Endpoint, principal: string): Promise<string> {
  if (!principal.includes('@')) return principal;
  const { me } = await endpoint.ask<{ me: { id: string; email: string | null } | null }>('{ me { id email } }', {});
  if (me !== null && me.email?.toLowerCase() === principal.toLowerCase()) return me.id;
  throw new Misuse('over --endpoint, somebody else is named by id: --principal user_…');
}
