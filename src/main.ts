import { enableCompileCache } from 'node:module';

// The second start finds its sources with the types removed and compiled: it is faster and takes less memory.
enableCompileCache();
const { start } = await import('./cli/start.ts');

process.exitCode = await start(process.env);
