import type { ShippingWriter } from '../../domain/shipping.ts';
import type { Statements } from './transactions.ts';

/** In the table of the first receiver that there was. */
export function createShippingWriter({ query }: Statements): ShippingWriter {
  return {
    async claim(receiver, holder, seconds) {
      const [row] = await query<{ seq: string }>(
        'shipping-claim',
        `insert into audit_sinks as s (name, seq, holder, held_until) values ($1, 0, $2, now() + make_interval(secs => $3))
         on conflict (name) do update set holder = excluded.holder, held_until = excluded.held_until
         where s.holder = excluded.holder or s.held_until < now()
         returning seq`,
        [receiver, holder, seconds],
      );
      return row === undefined ? null : Number(row.seq);
    },

    async take(receiver, holder, seq, seconds) {
      const rows = await query(
        'shipping-take',
        `update audit_sinks set seq = greatest(seq, $3), held_until = now() + make_interval(secs => $4)
         where name = $1 and holder = $2 returning seq`,
        [receiver, holder, seq, seconds],
      );
      return rows.length === 1;
    },
  };
}
