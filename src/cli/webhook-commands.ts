import type { Command } from 'commander';
import type { Environment } from './environment.ts';
import type { Report } from './report.ts';

/** `castellan webhook …`: what the receiver of SECURITY_WEBHOOK_URL did not take. */
export function addWebhookCommands(
  program: Command,
  { env, report }: { readonly env: Environment; readonly report: (command: () => Promise<Report>) => Promise<void> },
): void {
  const webhook = program.command('webhook').description('look after the webhook of security events');

  webhook
    .command('resend')
    .description('send the events of DATABASE_URL once more that it refused and that were set aside')
    .option('--forget', 'what it refuses again is not set aside any more, and stays in securityEvents alone')
    .action((options: { forget?: boolean }) =>
      report(async () => (await import('./webhook-resend.ts')).resendEvents({ forget: options.forget === true }, env)),
    );
}
