import { type Command, Option } from 'commander';
import { FORMATS, type Format } from '../domain/audit/export.ts';
import type { Environment } from './environment.ts';
import type { Report } from './report.ts';

/** `castellan audit …`: what the audit log has, and whether it is what it was. */
export function addAuditCommands(
  program: Command,
  { env, report }: { readonly env: Environment; readonly report: (command: () => Promise<Report>) => Promise<void> },
): void {
  const audit = program.command('audit').description('look after the audit log in DATABASE_URL');

  audit
    .command('verify')
    .description(
      'find entries that were changed, taken away, added or reordered, and a log that was cut off or rewritten',
    )
    .option('--heads <file>', 'heads that were exported, as AUDIT_HEADS names their file')
    .action((options: { heads?: string }) =>
      report(async () => (await import('./audit-verify.ts')).verifyAudit(options, env)),
    );

  audit
    .command('export')
    .description('print entries, one line of JSON each, in the order of the chain')
    .option('--since <instant|seq>', 'from then on, or after this place')
    .addOption(new Option('--format <format>', 'how each is written').choices(FORMATS).default('jsonl'))
    .action(async (options: { since?: string; format: Format }) => {
      process.exitCode = await (await import('./audit-export.ts')).exportAudit(options, env);
    });
}
