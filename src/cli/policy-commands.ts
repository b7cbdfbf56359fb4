import type { Command } from 'commander';
import { type Environment, policiesDir } from './environment.ts';
import type { DiffOptions } from './policy-diff.ts';
import type { ExplainOptions } from './policy-explain.ts';
import type { OutputOptions, Report } from './report.ts';

const DIR = ['[dir]', 'their folder; POLICIES_DIR or policies without it'] as const;
const DATABASE = ['--database <url>', 'ask the database of a Castellan; DATABASE_URL without it'] as const;
const ENDPOINT = ['--endpoint <url>', 'ask a Castellan, with the access token in CASTELLAN_TOKEN'] as const;

/** `castellan policy …`: for those who write policies. Only `apply` and `rollback` change anything. */
export function addPolicyCommands(
  program: Command,
  {
    env,
    output,
    report,
  }: {
    readonly env: Environment;
    readonly output: () => OutputOptions;
    readonly report: (command: () => Promise<Report>) => Promise<void>;
  },
): void {
  const policy = program.command('policy').description('look at policy files, and put them in force');

  policy
    .command('check')
    .description('find every problem in the policy files')
    .argument(...DIR)
    .option('--watch', 'check again whenever a file has changed')
    .action(async (dir: string | undefined, { watch = false }: { watch?: boolean }) => {
      const folder = policiesDir(env, dir);
      if (!watch) return report(async () => (await import('./policy-check.ts')).checkPolicy(folder));
      const { watchPolicy } = await import('./policy-watch.ts');
      process.exitCode = await watchPolicy(folder, output());
    });

  policy
    .command('test')
    .description('ask them everything that the decision tables in cases/ ask')
    .argument(...DIR)
    .action((dir?: string) => report(async () => (await import('./policy-test.ts')).testPolicy(policiesDir(env, dir))));

  policy
    .command('diff')
    .description('who gains and loses what if these files were the policy')
    .argument(...DIR)
    .option(...DATABASE)
    .option(...ENDPOINT)
    .option('--against <dir>', 'compare with these files in place of the policy in force')
    .option('--all', 'name all users, not only the first ten')
    .option('--fail-on-gain', 'exit with 1 when anybody gains anything')
    .option('--fail-on-loss', 'exit with 1 when anybody loses anything')
    .action((dir: string | undefined, options: DiffOptions) =>
      report(async () => (await import('./policy-diff.ts')).diffPolicy(policiesDir(env, dir), options, env)),
    );

  policy
    .command('explain')
    .description('why somebody may or may not do something')
    .argument('[dir]', 'explain these files in place of the policy in force')
    .option('--principal <id or e-mail>', 'who')
    .requiredOption('--action <name>', 'does what')
    .requiredOption('--subject <name>', 'to what kind of record')
    .option('--id <id>', 'to which one')
    .option('--field <name>', 'to which field of it')
    .option(...DATABASE)
    .option(...ENDPOINT)
    .option('--role <name[@scope]>', 'ask the files what this role may do; several times for several', gather, [])
    .option('--attribute <name=value>', 'describe the record in place of reading it; once for each', gather, [])
    .action((dir: string | undefined, options: ExplainOptions) =>
      report(async () => (await import('./policy-explain.ts')).explainPolicy(dir, options, env)),
    );

  policy
    .command('history')
    .description('which policies were in force, when, and who put them in force')
    .option(...DATABASE)
    .option(...ENDPOINT)
    .action((options: { database?: string; endpoint?: string }) =>
      report(async () => (await import('./policy-changes.ts')).policyHistory(options, env)),
    );

  policy
    .command('apply')
    .description('put the files in force on every instance, if they answer their cases')
    .argument(...DIR)
    .requiredOption(...ENDPOINT)
    .option('--expected <version>', 'only in place of this one')
    .action((dir: string | undefined, options: { endpoint: string; expected?: string }) =>
      report(async () => (await import('./policy-changes.ts')).applyPolicy(policiesDir(env, dir), options, env)),
    );

  policy
    .command('rollback')
    .description('put a policy in force again that was before')
    .argument('<version>', 'as the history shows it')
    .requiredOption(...ENDPOINT)
    .action((version: string, options: { endpoint: string }) =>
      report(async () => (await import('./policy-changes.ts')).rollbackPolicy(version, options, env)),
    );

  policy
    .command('schema')
    .description('print the JSON Schema of policy files, for editors')
    .option('--cases', 'of files of cases')
    .action((options: { cases?: boolean }) =>
      report(async () => (await import('./policy-schema.ts')).printableSchema(options)),
    );
}

const gather = (value: string, before: readonly string[]): readonly string[] => [...before, value];
