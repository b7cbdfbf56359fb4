import type { Foundation } from '../app/foundation.ts';
import { AccessTokens } from '../domain/tokens/access-tokens.ts';
import { KEY_REVOKED, KEY_ROTATED, KEY_UPDATED } from '../domain/api-keys/key-ender.ts';
import { KeyStates } from '../domain/api-keys/key-states.ts';
import { KeyIdentification } from '../domain/authentication/key-identification.ts';
import { Identification } from '../domain/authentication/identification.ts';
import { AuditChainer } from '../domain/audit/chainer.ts';
import { Acknowledgements } from '../domain/authority/acknowledgements.ts';
import { Authority } from '../domain/authority/authority.ts';
import { LiveOperations } from '../domain/authority/live.ts';
import { Vouching } from '../domain/authority/vouching.ts';
import { Membership } from '../domain/authority/membership.ts';
import { Receipts } from '../domain/authority/receipts.ts';
import { RevocationFeed } from '../domain/authority/revocation-feed.ts';
import { Tail } from '../domain/authority/tail.ts';
import { type Drained, Drainer } from '../domain/outbox/drainer.ts';
import { EventSubjects } from '../domain/authentication/event-subjects.ts';
import { countUserActivity } from '../domain/authentication/user-activity.ts';
import { EventFeeds } from '../domain/outbox/event-feeds.ts';
import { Engines } from '../domain/policy/engines.ts';
import { Standings } from '../domain/policy/standings.ts';
import { countSessions, REVOKED } from '../domain/sessions/session-counts.ts';
import { SessionStates } from '../domain/sessions/session-states.ts';
import { KeyRing } from '../domain/tokens/key-ring.ts';

/** All that is counted of events, in the transaction that numbers them. */
const countEvents: Drained = async (tx, events) => {
  await countSessions(tx, events);
  await countUserActivity(tx, events);
};

/** Kinds of events of which the authority log has something as well. */
const TAKES_AWAY: ReadonlySet<string> = new Set([REVOKED, KEY_REVOKED, KEY_UPDATED, KEY_ROTATED]);

/** What makes a revocation true, running: the log's tail and lease, what is known of principals, events, and the key ring. */
export async function startAuthority({ config, clock, timing, logger, metrics, cleanup, ...foundation }: Foundation) {
  const { keys, store, log, cache, hints } = foundation;
  const acknowledgements = new Acknowledgements(keys);
  const tail = new Tail({ log, hints, acknowledgements, clock, timing, logger });
  const engines = new Engines(store.bundles, logger);
  const labelled = { snapshots: store.snapshots, cache, keys, tail, clock, logger };
  const sessionStates = new SessionStates(labelled);
  const keyStates = new KeyStates(labelled);
  const standings = new Standings({ engines, sessions: sessionStates, ...labelled });
  const live = new LiveOperations({ clock, logger });
  tail.listen({ applied: (entries) => live.applied(entries), reset: () => live.reset() });
  // After those that end by it: whose own access ends is told so, and nothing else.
  const revocationFeed = new RevocationFeed({ log, tail, clock, logger });
  tail.listen({ applied: (entries) => revocationFeed.applied(entries), reset: () => revocationFeed.reset() });
  const receipts = new Receipts({ log, acknowledgements, clock, timing });
  const drainer: Drainer = new Drainer({
    store,
    clock,
    logger,
    everyMs: timing.pollMs,
    drained: countEvents,
    numbered: (seq) => eventFeeds.announce(seq),
  });
  const subjects = new EventSubjects({ store, standings });
  const eventFeeds = new EventFeeds({
    outbox: store.outbox,
    drainer,
    tail,
    hints,
    clock,
    logger,
    everyMs: timing.pollMs,
    takesAway: ({ kind }) => TAKES_AWAY.has(kind),
    subjectsOf: (events) => subjects.of(events),
  });
  const auditChainer = new AuditChainer({ store, keys, clock, logger, everyMs: timing.pollMs * 4 });
  const authority = new Authority({
    store,
    log,
    tail,
    receipts,
    clock,
    timing,
    recheck: (by) => identification.recheck(by),
    settled: ({ enforced, waitedMs }) =>
      metrics.receiptSeconds.observe({ enforced: String(enforced) }, waitedMs / 1_000),
    committed: () => {
      drainer.soon();
      auditChainer.soon();
    },
  });
  const membership = new Membership({ log, clock, timing, logger });

  const { accessTokenSeconds } = config;
  const keyRing = new KeyRing({ store, keys, clock, logger, accessTokenSeconds });
  await keyRing.open();
  cleanup.add('the key ring', () => keyRing.close());
  tail.listen({ applied: (entries) => keyRing.applied(entries), reset: () => keyRing.reset() });
  await tail.start();
  cleanup.add('the tail of the authority log', () => tail.stop());
  cleanup.start('the membership', membership.rounds);
  const accessTokens = new AccessTokens({ keyRing, settings: config, clock });
  const keyIdentification = new KeyIdentification({ states: keyStates, standings, tail, clock });
  const identification: Identification = new Identification({
    sessions: sessionStates,
    tail,
    standings,
    accessTokens,
    apiKeys: keyIdentification,
    clock,
  });
  return {
    authority,
    tail,
    engines,
    sessionStates,
    keyStates,
    standings,
    live,
    vouching: new Vouching({ tail, live, clock }),
    drainer,
    auditChainer,
    eventFeeds,
    revocationFeed,
    keyRing,
    accessTokens,
    keyIdentification,
    identification,
  };
}

export type AuthorityParts = Awaited<ReturnType<typeof startAuthority>>;
