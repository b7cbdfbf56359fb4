import type {
  InstanceReport,
  InstanceReports,
  InstanceState,
  SharedState,
} from '../../domain/health/instance-report.ts';
import { instant, instantOrNull } from './database.ts';
import type { Query } from './query.ts';
import { missingMigrations } from './migrate.ts';
import { SET_ASIDE } from './security-event-store.ts';

/** What waits is not counted beyond this. */
const WAITING_MAX = 10_000;

interface SharedRow {
  readonly epoch: string;
  readonly head: string;
  readonly policy_version: string | null;
  readonly migrations: readonly string[];
  readonly now: string | Date;
}

interface ReadRow extends SharedRow {
  readonly instances: readonly {
    readonly id: string;
    readonly state: 'active' | 'marked';
    readonly last_seen: string;
    readonly applied: number;
    readonly reported_at: string | null;
    readonly report: InstanceReport | null;
  }[];
  readonly events: number;
  readonly events_since: string | Date | null;
  readonly errands: number;
  readonly errands_since: string | Date | null;
  readonly set_aside: boolean;
}

const SHARED = `now() as now, h.epoch, h.seq as head, (select version from policy_head where id = 1) as policy_version,
  (select coalesce(json_agg(name), '[]') from migrations) as migrations`;

export function createInstanceReports(query: Query): InstanceReports {
  return {
    async say(instanceId, report) {
      const rows = await query<SharedRow>(
        'instance-report',
        `with said as (update instances set report = $2::jsonb, reported_at = now() where id = $1)
         select ${SHARED} from authority_head h where h.id = 1`,
        [instanceId, JSON.stringify(report)],
      );
      return toShared(rows);
    },

    async read() {
      const rows = await query<ReadRow>(
        'instance-reports-read',
        `select ${SHARED},
           (select coalesce(json_agg(i order by i.last_seen), '[]')
            from (select id, state, applied, report, last_seen, reported_at from instances) i) as instances,
           (select count(*)::int from (select from outbox where seq is null limit $1) waiting) as events,
           (select min(at) from (select at from outbox where seq is null order by id limit 1) first) as events_since,
           (select count(*)::int from (select from errands limit $1) waiting) as errands,
           (select min(created_at) from (select created_at from errands order by id limit 1) first) as errands_since,
           exists (select from ${SET_ASIDE}) as set_aside
         from authority_head h where h.id = 1`,
        [WAITING_MAX],
      );
      const shared = toShared(rows);
      const [row] = rows as readonly [ReadRow]; // or it would have thrown
      return {
        ...shared,
        instances: row.instances.map((each): InstanceState => ({
          id: each.id,
          state: each.state,
          lastSeenAt: instant(each.last_seen),
          applied: each.applied,
          reportedAt: instantOrNull(each.reported_at),
          report: each.report,
        })),
        events: { count: row.events, since: instantOrNull(row.events_since) },
        errands: { count: row.errands, since: instantOrNull(row.errands_since) },
        setAside: row.set_aside,
      };
    },
  };
}

function toShared([row]: readonly SharedRow[]): SharedState {
  if (row === undefined) throw new Error('authority_head has no row: the database is not migrated');
  const { epoch, head, policy_version: policyVersion, migrations } = row;
  const at = instant(row.now);
  return { epoch, head: Number(head), policyVersion, missingMigrations: missingMigrations(migrations), at };
}
