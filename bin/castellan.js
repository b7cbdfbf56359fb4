#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';

/** The first Node that has everything Castellan uses: it runs TypeScript and hashes with argon2. */
const NEEDED = [24, 7];

const program = new URL('../src/cli/castellan.ts', import.meta.url);

if (isRecent(process.versions.node)) await runHere();
else runWith(fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url)));

/** @param {string} version */
function isRecent(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]);
}

async function runHere() {
  // The second time it finds its sources with the types removed and compiled.
  module.enableCompileCache();
  try {
    await import(program.href);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    fail(`castellan lacks a library it uses: run \`npm ci\` first.\n${/** @type {Error} */ (error).message}`);
  }
}

/**
 * Becomes, as far as a process can, the Node that was installed with Castellan.
 * @param {string} node
 */
function runWith(node) {
  if (!existsSync(node)) {
    return fail(
      `castellan needs Node ${NEEDED.join('.')} or newer. This is ${process.versions.node}, and there is none in\n${node}:\n` +
        'run `npm ci` first, without --omit=optional, or install a newer Node.',
    );
  }
  const child = spawn(node, [fileURLToPath(program), ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.once('error', (error) => fail(`castellan cannot run ${node}: ${error.message}`));
  child.once('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

/** @param {string} message */
function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}
