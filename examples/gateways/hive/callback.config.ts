import { defineConfig } from '@graphql-hive/gateway';
import { forwarded, gatewayConfig as base } from './gateway.config.ts';

/** Where Castellan finds this gateway: an origin that its CALLBACK_ORIGINS lists. */
const PUBLIC_URL = process.env['PUBLIC_URL'] ?? 'http://127.0.0.1:4000';
/** What Castellan trusts this gateway for. */
const CASTELLAN_GATEWAY = process.env['CASTELLAN_GATEWAY'] ?? '';

/** The same, with subscriptions for which Castellan calls the gateway back: no connection stays open between the two. */
export const gatewayConfig = defineConfig({
  ...base,
  webhooks: true,
  propagateHeaders: {
    fromClientToSubgraphs: ({ request }) => ({ ...forwarded(request), 'x-castellan-gateway': CASTELLAN_GATEWAY }),
  },
  transportEntries: {
    castellan: {
      options: {
        subscriptions: {
          kind: 'http-callback',
          location: process.env['CASTELLAN'] ?? 'http://127.0.0.1:4001/graphql',
          options: { public_url: `${PUBLIC_URL}/callback`, path: '/callback', heartbeat_interval: 5_000 },
        },
      },
    },
  },
});
