import * as fc from 'fast-check';
import type { App } from '../../src/app.ts';
import type { SessionProfiles } from '../../src/domain/sessions/profiles.ts';
import { SYSTEM, type SubjectRecord } from '../../src/domain/principals/principal.ts';
import { createStore } from '../../src/drivers/postgres/store.ts';
import { aSession } from '../contract/store-samples.ts';
import { type Castellans, PASSWORD, startCastellans } from '../support/castellan.ts';
import { addGrant, addUser, endGrant, revokeGrant } from '../support/people.ts';
import { EMPTY, GRANTABLE, SCOPES, type SubjectName, TIMES, type Values } from './policies.ts';

/** The first users act; they and the others are acted on. */
const PRINCIPALS = 12;
const USERS = 40;
const SESSIONS = 28;
const NAMES = ['Zoë', 'ZOË', "O'Hara", '%', '_', '🗝', 'null', 'user'];

/** Nobody uses these sessions, and none of them is to end by that while they are asked about. */
const LONG = { lifeSeconds: 10 ** 9, idleSeconds: 10 ** 9 };
const FOR_EVER: SessionProfiles = { 1: LONG, 2: LONG, 3: LONG };

type Bag = Readonly<Record<string, unknown>>;

/** A record that Castellan keeps. */
export interface Kept {
  readonly type: SubjectName;
  readonly id: string;
  /** What was put in, as far as a policy may speak of it. */
  readonly known: Bag;
  /** What is read back. */
  readonly stored: SubjectRecord;
}

export interface Actor {
  readonly id: string;
  readonly accessToken: string;
  /** What the reference is told: nothing of it was read from Castellan. */
  readonly principal: Bag & { readonly id: string };
  readonly grants: readonly { readonly role: string; readonly scope: string | null }[];
}

export interface Corpus {
  readonly castellans: Castellans;
  /** Takes the changes and the requests. */
  readonly busy: App;
  /** Is asked once a policy, and so knows nobody until then. */
  readonly cold: App;
  readonly actors: readonly Actor[];
  readonly records: readonly Kept[];
  readonly values: Values;
}

/** Roles made through the API, and what each is made of: policies know nothing of them. */
const CUSTOM: Readonly<Record<string, readonly string[]>> = {
  'one-of-two': [GRANTABLE[0] ?? '', GRANTABLE[2] ?? ''],
  'one-of-those': ['one-of-two', GRANTABLE[1] ?? ''],
};

/** The role, and all that it is made of. */
const amountsTo = (role: string): readonly string[] => [role, ...(CUSTOM[role] ?? []).flatMap(amountsTo)];

type GrantState = 'held' | 'ending' | 'expired' | 'revoked';

const states = fc.constantFrom<GrantState>('held', 'held', 'held', 'ending', 'expired', 'revoked');
const scope = fc.option(fc.constantFrom(...SCOPES), { freq: 2 });
const grant = fc.record({ role: fc.constantFrom(...GRANTABLE, ...Object.keys(CUSTOM)), scope, state: states });
const grants = fc.uniqueArray(grant, {
  minLength: 1,
  maxLength: 4,
  selector: (each) => `${each.role} ${each.scope}`,
});
const person = fc.record({
  name: fc.constantFrom(...NAMES),
  scope,
  createdAt: fc.constantFrom(...TIMES),
  disabled: fc.constantFrom(false, false, true),
  grants,
});
const people = fc.array(person, { minLength: USERS, maxLength: USERS });
const lives = fc.array(fc.record({ owner: fc.nat({ max: USERS - 1 }), createdAt: fc.constantFrom(...TIMES) }), {
  minLength: SESSIONS,
  maxLength: SESSIONS,
});

const isHeld = ({ state }: { readonly state: GrantState }) => state === 'held' || state === 'ending';

/** Two instances over one database and one Redis, with everybody in it. */
export async function openCorpus(seed: number): Promise<Corpus> {
  const castellans = await startCastellans(2, {
    policyFiles: [EMPTY],
    settings: { accessTokenSeconds: 86_400, sessionProfiles: FOR_EVER },
  });
  const [busy, cold] = castellans.apps;
  if (busy === undefined || cold === undefined) throw new TypeError('two were started');
  for (const [name, parts] of Object.entries(CUSTOM)) {
    const found = await Promise.all(parts.map((part) => busy.services.roles.findByName(SYSTEM, part)));
    await busy.services.customRoles.create(SYSTEM, { name, inherits: found.map((role) => there(role).id) });
  }
  const [persons = []] = fc.sample(people, { seed, numRuns: 1 });
  const [sessions = []] = fc.sample(lives, { seed, numRuns: 1 });

  const users: (Kept & { readonly known: { readonly scope: string | null } })[] = [];
  const actors: Actor[] = [];
  const started: { readonly id: string; readonly owner: number }[] = [];
  for (const [index, { name, scope, createdAt, disabled, grants: given }] of persons.entries()) {
    const acts = index < PRINCIPALS;
    const email = `${index % 2 === 0 ? 'Zoë' : 'sam'}.${index}@example.com`;
    const id = await addUser(busy, { email, name, scope, ...(acts && { password: PASSWORD }) });
    await castellans.rows('update users set created_at = $2 where id = $1', id, createdAt);
    // Whoever acts holds something.
    const own = given.map((each, place) => (acts && place === 0 ? { ...each, state: 'held' as const } : each));
    for (const each of own) await give(busy, id, each);
    if (acts) {
      const { accessToken, sessionId } = await castellans.signIn(email);
      started.push({ id: sessionId, owner: index });
      const held = own
        .filter(isHeld)
        .flatMap(({ role, scope }) => amountsTo(role).map((each) => ({ role: each, scope })));
      actors.push({ id, accessToken, principal: { id, email, scope, kind: 'user' }, grants: held });
    }
    if (disabled && !acts) await busy.services.users.disable(SYSTEM, id);
    const roles = [...new Set(own.filter(isHeld).flatMap(({ role }) => amountsTo(role)))].toSorted();
    const status = disabled && !acts ? 'disabled' : 'active';
    const [stored] = await busy.services.users.findMany(SYSTEM, [id]);
    const known = { id, email, name, status, roles, scope, scopes: pathsTo(scope), createdAt };
    users.push({ type: 'User', id, known, stored: there(stored) });
  }

  await createStore(busy.database).transaction(async (tx) => {
    for (const { owner, createdAt } of sessions) {
      const session = aSession({ userId: users[owner]?.id ?? '', createdAt, expiresAt: TIMES[2] ?? '' });
      await tx.sessions.add(session, `hash of ${session.id}`);
      started.push({ id: session.id, owner });
    }
  });
  const records: Kept[] = [...users];
  for (const { id, owner } of started) {
    const [found] = await busy.services.sessions.findMany(SYSTEM, [id]);
    const stored = there(found);
    const { createdAt, expiresAt } = stored;
    const { id: userId = '', known } = users[owner] ?? {};
    const home = known?.scope ?? null;
    const all = { id, userId, createdAt, expiresAt, scope: home, scopes: pathsTo(home) };
    records.push({ type: 'Session', id, known: all, stored });
  }
  for (const name of [...GRANTABLE, ...Object.keys(CUSTOM)]) {
    const stored = there(await busy.services.roles.findByName(SYSTEM, name));
    const managed = CUSTOM[name] === undefined;
    records.push({ type: 'Role', id: stored.id, known: { id: stored.id, name, managed }, stored });
  }
  return { castellans, busy, cold, actors, records, values: valuesOf(users, records) };
}

async function give(
  app: App,
  principalId: string,
  { role, scope, state }: { role: string; scope: string | null; state: GrantState },
): Promise<void> {
  const id = await addGrant(app, {
    principalId,
    role,
    scope,
    expiresAt: state === 'ending' ? (TIMES[2] ?? null) : null,
  });
  if (state === 'revoked') await revokeGrant(app, id);
  if (state === 'expired') await endGrant(app, id, TIMES[0] ?? '');
}

function there<T>(record: T | null | undefined): T {
  if (record === null || record === undefined) throw new Error('what was put in is not there');
  return record;
}

/** `acme/platform` lies in `acme`, and in itself. */
export function pathsTo(path: string | null): readonly string[] {
  return path === null ? [] : path.split('/').map((_, at, parts) => parts.slice(0, at + 1).join('/'));
}

/** Texts that conditions may compare with: mostly of those who act. */
function valuesOf(users: readonly Kept[], records: readonly Kept[]): Values {
  const first = users.slice(0, PRINCIPALS);
  const ids = first.map(({ id }) => id);
  const emails = first.map(({ known }) => String(known['email']));
  const others = records.filter(({ type }) => type !== 'User').map(({ id }) => id);
  return {
    id: [...ids, ...others],
    userId: ids,
    owner: ids,
    email: emails,
    name: [...NAMES, ...GRANTABLE],
    roles: [...GRANTABLE, ...Object.keys(CUSTOM), 'none'],
    title: [...emails.slice(0, 4), 'user', 'a'],
    tags: [...emails.slice(0, 4), 'user', 'a'],
  };
}
