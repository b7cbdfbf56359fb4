import type { AuthorityLog, LogEntry, PollReply, PollRequest, Standing } from '../../domain/authority/log.ts';
import { instant } from './database.ts';
import type { Query } from './query.ts';

export interface LogRow {
  readonly seq: string;
  readonly target: string;
  readonly kind: 'revoked' | 'changed';
  readonly user_id: string | null;
  readonly reason: string;
  readonly at: string | Date;
}

export function toLogEntry({ seq, target, kind, user_id, reason, at }: LogRow): LogEntry {
  return { seq: Number(seq), target, kind, userId: user_id, reason, at: instant(at) };
}

interface PollRow extends LogRow {
  readonly epoch: string;
  readonly head: string;
  readonly oldest: string | null;
  readonly registered: boolean;
  readonly instances: number;
}

/** One snapshot in one statement. The head joins every row, and one row comes even when there is no entry. */
const READ = `
  select h.epoch, h.seq as head, (select min(seq) from authority_log) as oldest,
    exists (select from instances where id = $1 and state = 'active') as registered,
    (select count(*)::int from instances where state = 'active') as instances,
    l.seq, l.target, l.kind, l.user_id, l.reason, l.at
  from authority_head h
  left join lateral (
    select * from authority_log where seq > $2 order by seq limit $3
  ) l on true
  where h.id = 1
  order by l.seq`;

/**
 * A heartbeat also commits. The instance's progress counts only in the history it was made in. A row marked
 * meanwhile is left alone, and the snapshot then says so with the next poll at the latest.
 */
const BEAT = `
  with beat as (
    update instances i set last_seen = now(), applied = case when h.epoch::text = $4 and $2 <= h.seq then $2 else 0 end
    from authority_head h where h.id = 1 and i.id = $1 and i.state = 'active'
    returning i.id
  ), snapshot as (${READ})
  select s.epoch, s.head, s.oldest, s.registered and exists (select from beat) as registered, s.instances,
    s.seq, s.target, s.kind, s.user_id, s.reason, s.at
  from snapshot s order by s.seq`;

const STANDING_COLUMNS = `h.epoch, h.seq as head,
    coalesce((select json_agg(json_build_object('instanceId', id, 'applied', applied)) from instances), '[]') as members`;

interface StandingRow {
  readonly epoch: string;
  readonly head: string;
  readonly members: readonly { readonly instanceId: string; readonly applied: number }[];
}

/** `poll` goes over a connection of its own, where there is one: it must not wait behind those who wait for the lease. */
export function createAuthorityLog(query: Query, polling: Query = query): AuthorityLog {
  const standing = async (): Promise<Standing> =>
    toStanding(
      await query<StandingRow>(
        'authority-standing',
        `select ${STANDING_COLUMNS} from authority_head h where h.id = 1`,
        [],
      ),
    );

  return {
    async open(windowSeconds) {
      const [row] = await query<{ epoch: string; head: string; trimmed: string }>(
        'authority-open',
        `select epoch, seq as head, coalesce(
           (select max(seq) from authority_log where at < now() - make_interval(secs => $1)),
           (select min(seq) - 1 from authority_log),
           seq) as trimmed
         from authority_head where id = 1`,
        [windowSeconds],
      );
      if (row === undefined) throw new Error('authority_head has no row: the database is not migrated');
      return { epoch: row.epoch, head: Number(row.head), trimmed: Number(row.trimmed) };
    },

    async poll({ instanceId, epoch, applied, limit, heartbeat }: PollRequest): Promise<PollReply> {
      const rows = heartbeat
        ? await polling<PollRow>('authority-beat', BEAT, [instanceId, applied, limit, epoch])
        : await polling<PollRow>('authority-poll', READ, [instanceId, applied, limit]);
      const [first] = rows;
      if (first === undefined) throw new Error('authority_head has no row: the database is not migrated');
      const head = Number(first.head);
      return {
        epoch: first.epoch,
        head,
        oldest: first.oldest === null ? head + 1 : Number(first.oldest),
        registered: first.registered,
        instances: first.instances,
        entries: rows.filter((row) => row.seq !== null).map(toLogEntry),
      };
    },

    async register(instanceId) {
      await query('authority-register', 'insert into instances (id) values ($1)', [instanceId]);
    },

    async leave(instanceId) {
      await query('authority-leave', 'delete from instances where id = $1', [instanceId]);
    },

    standing,

    async committed(logIds) {
      const rows = await query<StandingRow & { position: string | null }>(
        'authority-committed',
        `select (select max(seq) from authority_log where id = any($1)) as position, ${STANDING_COLUMNS}
         from authority_head h where h.id = 1`,
        [logIds],
      );
      const now = toStanding(rows);
      const position = rows[0]?.position ?? null;
      if (position === null && logIds.length > 0) throw new Error('the rows of a committed change are not there');
      return { position: position === null ? now.head : Number(position), standing: now };
    },

    async markSilent(silentMs) {
      await query(
        'authority-mark',
        `update instances set state = 'marked'
         where state = 'active' and last_seen < now() - make_interval(secs => $1 / 1000.0)`,
        [silentMs],
      );
      const rows = await query<{ id: string }>(
        'authority-marked',
        `select id from instances where state = 'marked'`,
        [],
      );
      return rows.map(({ id }) => id);
    },

    async removeMarked(instanceIds) {
      await query('authority-collect', `delete from instances where state = 'marked' and id = any($1)`, [instanceIds]);
    },

    async renewEpoch(epoch, seq) {
      await query(
        'authority-renew-epoch',
        `with renewed as (
           update authority_head set epoch = gen_random_uuid() where id = 1 and epoch = $1 and seq < $2 returning id
         ) update instances set applied = 0 where exists (select from renewed)`,
        [epoch, seq],
      );
    },
  };
}

function toStanding([row]: readonly StandingRow[]): Standing {
  if (row === undefined) throw new Error('authority_head has no row: the database is not migrated');
  return { epoch: row.epoch, head: Number(row.head), members: row.members };
}
