import type { Control } from './control.ts';
import { CREDENTIALS } from './credentials.ts';
import { DOORS } from './doors.ts';
import { FORCE } from './force.ts';
import { RIGHTS } from './rights.ts';
import { SECRETS } from './secrets.ts';
import { TLS } from './tls.ts';

export const CONTROLS: readonly Control[] = [...FORCE, ...CREDENTIALS, ...RIGHTS, ...DOORS, ...TLS, ...SECRETS];
