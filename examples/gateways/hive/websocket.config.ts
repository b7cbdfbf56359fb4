import { defineConfig } from '@graphql-hive/gateway';
import { gatewayConfig as base } from './gateway.config.ts';

/** The same, with subscriptions over WebSockets to Castellan: one for each credential. */
export const gatewayConfig = defineConfig({
  ...base,
  transportEntries: {
    castellan: {
      options: {
        subscriptions: {
          kind: 'ws',
          location: process.env['CASTELLAN_WS'] ?? 'ws://127.0.0.1:4001/graphql',
          // `options` twice: without the second the setting is passed over.
          options: { connectionParams: { authorization: '{context.headers.authorization}' } },
        },
      },
    },
  },
});
