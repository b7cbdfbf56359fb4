import { defineEntity, p } from '@mikro-orm/postgresql';

/** Tables of what is counted, and of what it is counted from. See rows.ts. */

const instant = () => p.datetime(3);

/** What is counted apart. */
export const RollupSeriesRow = defineEntity({
  name: 'RollupSeriesRow',
  tableName: 'rollup_series',
  properties: {
    id: p.bigint().primary().autoincrement(),
    metric: p.text(),
    dimensions: p.json<Record<string, string | boolean | null>>(),
  },
  uniques: [{ properties: ['metric', 'dimensions'] }],
});

/** How often it happened in the quarter of an hour that begins at `start`. */
export const RollupRow = defineEntity({
  name: 'RollupRow',
  tableName: 'rollups',
  properties: {
    series: () => p.manyToOne(RollupSeriesRow).mapToPk().primary(),
    start: instant().primary(),
    count: p.bigint(),
  },
});

/** The counts of a flush are added once, however often it is repeated. */
export const RollupFlushRow = defineEntity({
  name: 'RollupFlushRow',
  tableName: 'rollup_flushes',
  properties: {
    id: p.uuid().primary(),
    at: instant().defaultRaw('now()').index(),
  },
});

/** How often an API key was used for what in an hour, as one era of the counting had it. */
export const UsageCountRow = defineEntity({
  name: 'UsageCountRow',
  tableName: 'usage_counts',
  properties: {
    id: p.text().primary(),
    hour: instant().primary().index(),
    version: p.text().primary(),
    operation: p.text().primary(),
    outcome: p.text().primary(),
    era: p.text().primary(),
    count: p.bigint(),
  },
});

/** How many sessions were live at the end of a quarter of an hour, and at most in it. */
export const SessionLevelRow = defineEntity({
  name: 'SessionLevelRow',
  tableName: 'session_levels',
  properties: {
    start: instant().primary(),
    live: p.bigint(),
    peak: p.bigint(),
  },
});

/** How users came in, and who tried to. Tied to users by nothing but the id: a wrong password may be nobody's. */
export const SignInRow = defineEntity({
  name: 'SignInRow',
  tableName: 'sign_ins',
  properties: {
    id: p.text().primary(),
    userId: p.text().nullable(),
    at: instant(),
    outcome: p.text(),
    aal: p.integer().nullable(),
    sessionId: p.text().nullable(),
    deviceKind: p.text(),
    browser: p.text().nullable(),
    os: p.text().nullable(),
    client: p.text().nullable(),
    address: p.text().nullable(),
  },
  indexes: [
    { properties: ['userId', 'at', 'id'], name: 'sign_ins_user_id_at_id_index' },
    { properties: ['at'], name: 'sign_ins_at_index' },
  ],
});

/** How often what happened to a user in a quarter of an hour. */
export const UserActivityRow = defineEntity({
  name: 'UserActivityRow',
  tableName: 'user_activity',
  properties: {
    userId: p.text().primary(),
    start: instant().primary(),
    what: p.text().primary(),
    count: p.bigint(),
  },
  indexes: [{ properties: ['start'], name: 'user_activity_start_index' }],
});

export const LastSignInRow = defineEntity({
  name: 'LastSignInRow',
  tableName: 'last_sign_ins',
  properties: {
    userId: p.text().primary(),
    at: instant(),
  },
});

/** What somebody should look at; `once` is what of two of them is one and the same. */
export const SecurityEventRow = defineEntity({
  name: 'SecurityEventRow',
  tableName: 'security_events',
  properties: {
    id: p.text().primary(),
    at: instant(),
    kind: p.text(),
    severity: p.text(),
    userId: p.text(),
    sessionId: p.text(),
    facts: p.json<Record<string, string | null>>(),
    once: p.text(),
  },
  uniques: [{ properties: ['once'], name: 'security_events_once_index' }],
  indexes: [
    { properties: ['at', 'id'], name: 'security_events_at_id_index' },
    { properties: ['userId', 'at', 'id'], name: 'security_events_user_id_at_id_index' },
  ],
});

/** What may add up to a security event: each member of what is counted once in its window. */
export const SecuritySignalRow = defineEntity({
  name: 'SecuritySignalRow',
  tableName: 'security_signals',
  properties: {
    kind: p.text().primary(),
    subject: p.text().primary(),
    start: instant().primary().index(),
    member: p.text().primary(),
  },
});

/** Where an API key has been used from. */
export const ApiKeyNetworkRow = defineEntity({
  name: 'ApiKeyNetworkRow',
  tableName: 'api_key_networks',
  properties: {
    keyId: p.text().primary(),
    network: p.text().primary(),
    at: instant(),
  },
});

/** Where a user was used from last, as far as that is known. */
export const UserSightingRow = defineEntity({
  name: 'UserSightingRow',
  tableName: 'user_sightings',
  properties: {
    userId: p.text().primary(),
    sessionId: p.text(),
    latitude: p.float(),
    longitude: p.float(),
    radiusKm: p.float(),
    at: instant().index(),
  },
});

export const COUNT_ROWS = [
  RollupSeriesRow,
  RollupRow,
  RollupFlushRow,
  UsageCountRow,
  SessionLevelRow,
  SignInRow,
  UserActivityRow,
  LastSignInRow,
  SecurityEventRow,
  SecuritySignalRow,
  ApiKeyNetworkRow,
  UserSightingRow,
];
