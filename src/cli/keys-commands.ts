import type { Command } from 'commander';
import type { Environment } from './environment.ts';
import type { Report } from './report.ts';

const ENDPOINT = ['--endpoint <url>', 'the Castellan to ask, with the access token in CASTELLAN_TOKEN'] as const;

/** `castellan keys …`: the keys that sign access tokens, and the secret that seals them. */
export function addKeysCommands(
  program: Command,
  { env, report }: { readonly env: Environment; readonly report: (command: () => Promise<Report>) => Promise<void> },
): void {
  const keys = program.command('keys').description('look after the keys that sign access tokens');

  keys
    .command('list')
    .description('which there are, and what each does')
    .requiredOption(...ENDPOINT)
    .action((options: { endpoint: string }) => report(async () => (await import('./keys.ts')).listKeys(options, env)));

  keys
    .command('rotate')
    .description('publish a new key, which signs a few minutes later')
    .requiredOption(...ENDPOINT)
    .action((options: { endpoint: string }) => report(async () => (await import('./keys.ts')).rotateKey(options, env)));

  keys
    .command('revoke')
    .description('accept nothing more that this key signed')
    .argument('<kid>', 'as the list shows it')
    .requiredOption(...ENDPOINT)
    .action((kid: string, options: { endpoint: string }) =>
      report(async () => (await import('./keys.ts')).revokeKey(kid, options, env)),
    );

  keys
    .command('reseal')
    .description('seal all keys in DATABASE_URL under the first secret of KEY_ENCRYPTION_KEY')
    .action(() => report(async () => (await import('./keys.ts')).resealKeys(env)));
}
