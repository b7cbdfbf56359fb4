import { Client } from 'pg';
import { openTestStore } from '../support/store.ts';
import { describeStoreContract } from './store.contract.ts';

describeStoreContract({
  name: 'PostgreSQL',
  async open() {
    const opened = await openTestStore();
    return {
      ...opened,

      async statements(work) {
        const query: unknown = Reflect.get(Client.prototype, 'query');
        let count = 0;
        Client.prototype.query = function counted(this: Client, ...args: unknown[]) {
          count += 1;
          return Reflect.apply(query as () => unknown, this, args);
        };
        try {
          await work();
        } finally {
          Object.assign(Client.prototype, { query });
        }
        return count;
      },

      async audited(subjectId) {
        const text = 'select by, action from audit_entries where subject_id = $1 order by id';
        const entries = await opened.rows<{ by: string; action: string }>(text, subjectId);
        return entries.map(({ by, action }) => `${by} ${action}`);
      },
    };
  },
});
