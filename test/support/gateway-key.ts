import { SYSTEM } from '../../src/domain/principals/principal.ts';
import type { Castellans } from './castellan.ts';
import { addGrant } from './people.ts';

/** What a gateway shows in `X-Castellan-Gateway` to be trusted: an API key of a service account of its own. */
export async function addGateway(
  { apps: [app] }: Pick<Castellans, 'apps'>,
  {
    roles = ['gateway'],
    ...limits
  }: { readonly roles?: readonly string[]; readonly permissions?: readonly string[] } = {},
) {
  if (app === undefined) throw new TypeError('nothing was started');
  const { apiKeys, serviceAccounts } = app.services;
  const { value: account } = await serviceAccounts.create(SYSTEM, { name: 'gateway' });
  for (const role of roles) await addGrant(app, { principalId: account.id, role });
  const { value } = await apiKeys.create(SYSTEM, { name: 'of a gateway', serviceAccountId: account.id, ...limits });
  return { id: account.id, keyId: value.apiKey.id, secret: value.secret };
}
