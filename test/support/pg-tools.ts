/**
 * `pg_dump` and `pg_restore` with the few flags that docs/maintenance.md has, for machines where the real ones are older than
 * the server and refuse it: `node pg-tools.ts pg_dump …`.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { migrate } from '../../src/drivers/postgres/migrate.ts';
import { snapshotOf, takeSnapshot } from './snapshot.ts';

const [, , tool, ...args] = process.argv;
const { values, positionals } = parseArgs({
  args,
  allowPositionals: true,
  options: {
    format: { type: 'string' },
    file: { type: 'string' },
    'no-owner': { type: 'boolean' },
    'exit-on-error': { type: 'boolean' },
    dbname: { type: 'string' },
  },
});
const [place = ''] = positionals;

if (tool === 'pg_dump') {
  await writeFile(values.file ?? '', (await takeSnapshot(place)).text);
} else {
  // The real one brings the tables along.
  await migrate(values.dbname ?? '');
  await snapshotOf(await readFile(place, 'utf8')).restoreInto(values.dbname ?? '');
}
