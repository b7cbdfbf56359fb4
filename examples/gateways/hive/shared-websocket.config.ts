import { defineConfig } from '@graphql-hive/gateway';
import { gatewayConfig as base } from './gateway.config.ts';

/** The same, with the subscriptions of all users over one WebSocket to Castellan: each brings its own credential along. */
export const gatewayConfig = defineConfig({
  ...base,
  transportEntries: {
    castellan: {
      options: {
        subscriptions: { kind: 'ws', location: process.env['CASTELLAN_WS'] ?? 'ws://127.0.0.1:4001/graphql' },
      },
    },
  },
});
