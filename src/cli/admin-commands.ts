import type { Command } from 'commander';
import type { Environment } from './environment.ts';
import type { Report } from './report.ts';

/** `castellan admin …`: for whoever has the machine and its secrets, when nobody can sign in who could help. */
export function addAdminCommands(
  program: Command,
  { env, report }: { readonly env: Environment; readonly report: (command: () => Promise<Report>) => Promise<void> },
): void {
  const admin = program.command('admin').description('let administrators in, from the machine with the secrets');

  admin
    .command('create')
    .description('add an administrator, with a one-time password')
    .argument('<email>', 'an address that nobody has yet')
    .option('--name <name>', 'what to call them', 'Administrator')
    .action((email: string, { name }: { name: string }) =>
      report(async () => (await import('./admin.ts')).createAdministrator({ email, name }, env)),
    );

  admin
    .command('recover')
    .description('give an administrator a one-time password, without second factor and locks')
    .argument('<email>', 'their address')
    .action((email: string) => report(async () => (await import('./admin.ts')).recoverAdministrator(email, env)));
}
