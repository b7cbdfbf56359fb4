import { openTestStore } from '../support/store.ts';
import { describeAuthorityLogContract } from './authority-log.contract.ts';

describeAuthorityLogContract({
  name: 'PostgreSQL',
  async open() {
    const opened = await openTestStore(5);
    const { rows } = opened;
    return {
      log: opened.log,

      async append(target, kind = 'changed') {
        const { logIds } = await opened.store.transaction((tx) =>
          tx.authority.append({ target, kind, userId: null, reason: 'test' }),
        );
        return logIds;
      },

      async age(seconds) {
        await rows(`update authority_log set at = at - make_interval(secs => $1)`, seconds);
        await rows(`update instances set last_seen = last_seen - make_interval(secs => $1)`, seconds);
      },

      async trim(seq) {
        await rows('delete from authority_log where seq <= $1', seq);
      },

      async setBack(seq) {
        await rows('delete from authority_log where seq > $1', seq);
        await rows('update authority_head set seq = $1', seq);
      },

      release: opened.release,
    };
  },
});
