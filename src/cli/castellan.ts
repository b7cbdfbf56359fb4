import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import { addAdminCommands } from './admin-commands.ts';
import { addAuditCommands } from './audit-commands.ts';
import { printFailure } from './failure.ts';
import { addKeysCommands } from './keys-commands.ts';
import { addPolicyCommands } from './policy-commands.ts';
import { addWebhookCommands } from './webhook-commands.ts';
import { Misuse, type OutputOptions, printReport, type Report } from './report.ts';

// Each command brings in only what it needs: checking policies must not wait for a server to be loaded.

const env = process.env;
const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

const program = new Command('castellan')
  .description('Users, roles, sessions, and revocation that is in force when it is acknowledged.')
  .version(version)
  // Recognised behind the name of a command, too.
  .option('--json', 'print JSON')
  .configureHelp({ showGlobalOptions: true })
  .showHelpAfterError('Add --help to see what there is.')
  .exitOverride();

program
  .command('start')
  .description('start the server: the same as npm start')
  .action(async () => {
    const { start } = await import('./start.ts');
    process.exitCode = await start(env, output());
  });

program
  .command('demo')
  .description('tell the whole story on throw-away data')
  .action(async () => {
    if (!existsSync(new URL('demo.ts', import.meta.url))) {
      throw new Misuse('The demonstration is not part of this installation. The repository has it: npm run demo');
    }
    const { demo } = await import('./demo.ts');
    process.exitCode = await demo(output());
  });

program
  .command('migrate')
  .description('bring the database of DATABASE_URL, or the embedded one, up to date')
  .option('--grant-to <role>', 'grant this role of PostgreSQL what an instance does with the tables, and nothing else')
  .action((options: { readonly grantTo?: string }) =>
    report(async () => (await import('./migrate.ts')).migrateDatabase(options, env)),
  );

program
  .command('sdl')
  .description('print the schema of the subgraph')
  .option(
    '--auth <none|policies|scopes>',
    'none leaves out the directives that say who may ask for what, policies adds @policy, scopes @requiresScopes',
  )
  .action(({ auth }: { readonly auth?: string }) => report(async () => (await import('./sdl.ts')).printableSdl(auth)));

addPolicyCommands(program, { env, output, report });
addKeysCommands(program, { env, report });
addAdminCommands(program, { env, report });
addAuditCommands(program, { env, report });
addWebhookCommands(program, { env, report });

program
  .command('doctor')
  .description('show every setting, and what is wrong with it')
  .action(() => report(async () => (await import('./doctor.ts')).examine(env)));

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = error instanceof CommanderError ? misuse(error) : printFailure(error, output());
}

function output(): OutputOptions {
  return { json: program.opts<Partial<OutputOptions>>().json === true };
}

async function report(command: () => Promise<Report>): Promise<void> {
  process.exitCode = printReport(await command(), output());
}

/** Commander has printed it. Asking for help or the version is no misuse. */
function misuse({ exitCode }: CommanderError): number {
  return exitCode === 0 ? 0 : 2;
}
