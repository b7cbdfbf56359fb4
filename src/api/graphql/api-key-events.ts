import type { ApiKey } from '../../domain/api-keys/api-key.ts';
import { KEY_CREATED, KEY_EXPIRED, KEY_REVOKED, KEY_ROTATED, KEY_UPDATED } from '../../domain/api-keys/key-ender.ts';
import type { HeardEvent } from '../../domain/authentication/policy-feeds.ts';
import type { Resolvers } from './generated.ts';
import { followPolicyFeed, type Heard } from './policy-feeds.ts';

const TYPES = {
  [KEY_CREATED]: 'ApiKeyCreated',
  [KEY_UPDATED]: 'ApiKeyUpdated',
  [KEY_ROTATED]: 'ApiKeyRotated',
  [KEY_REVOKED]: 'ApiKeyRevoked',
  [KEY_EXPIRED]: 'ApiKeyExpired',
} as const;

interface ToldOfKey extends Heard {
  readonly __typename: (typeof TYPES)[keyof typeof TYPES];
  readonly apiKeyId: string;
  readonly apiKey: ApiKey;
  readonly reason: string;
  readonly at: string;
}

export const apiKeyEvents: Resolvers = {
  Subscription: {
    apiKeyEvents: {
      subscribe: (_, { after }, context) => followPolicyFeed(context, 'apiKeys', after, toTold),
      resolve: (event: ToldOfKey) => event,
    },
  },
};

function toTold({ event, subject }: HeardEvent, position: string): ToldOfKey | null {
  const type = Object.entries(TYPES).find(([kind]) => kind === event.kind)?.[1];
  if (type === undefined) return null;
  const apiKey = subject as ApiKey; // what events of keys are about
  const { subjectId: apiKeyId, reason, at } = event;
  return { __typename: type, apiKeyId, apiKey, reason: reason ?? '', at, position, subject };
}
