import { SYSTEM } from '../../../src/domain/principals/principal.ts';
import { readPolicyFiles } from '../../../src/drivers/files/policies.ts';
import { newId, randomSymbols } from '../../../src/kit/ids.ts';
import { type Castellans, PASSWORD, startCastellans } from '../../support/castellan.ts';
import type { Shown } from '../../support/every-door.ts';
import { addGateway } from '../../support/gateway-key.ts';
import { addGrant, addScopes, addUser } from '../../support/people.ts';
import { ASKERS, type AskerName, type Target } from './row.ts';

type Roles = readonly (readonly [role: string, scope: string | null])[];

/** Where somebody is at home, and what they hold. */
interface Person {
  readonly scope: string;
  readonly roles: Roles;
}

const USERS: Readonly<Partial<Record<AskerName, Person>>> = {
  member: { scope: 'acme/platform', roles: [['member', null]] },
  support: {
    scope: 'acme',
    roles: [
      ['member', null],
      ['support', 'acme'],
    ],
  },
  auditor: {
    scope: 'acme',
    roles: [
      ['member', null],
      ['auditor', null],
    ],
  },
  administrator: { scope: 'acme', roles: [['administrator', null]] },
  /** Administers one scope. */
  keeper: { scope: 'acme', roles: [['administrator', 'acme']] },
  /** An administrator who comes with an API key that is good for reading alone. */
  reader: { scope: 'acme', roles: [['administrator', null]] },
};

const SERVICES: Readonly<Partial<Record<AskerName, Person>>> = {
  service: { scope: 'acme', roles: [['service', 'acme']] },
  introspector: { scope: 'acme', roles: [['introspector', null]] },
  gateway: { scope: 'acme', roles: [['gateway', null]] },
  listener: { scope: 'acme', roles: [['listener', null]] },
};

const OTHER: Person = { scope: 'acme/shop', roles: [['member', null]] };
const ELSEWHERE: Person = { scope: 'globex', roles: [['member', null]] };

export interface Asker {
  readonly name: AskerName;
  readonly shown: Shown | null;
  readonly own: Target;
}

export interface World {
  readonly castellans: Castellans;
  /** What a trusted gateway shows. */
  readonly gatewayKey: string;
  readonly askers: readonly Asker[];
  readonly other: Target;
  readonly elsewhere: Target;
  /** One more of the kind. */
  asker(name: AskerName): Promise<Asker>;
  /** Something that nobody else asks about, as `other` or `elsewhere` is. Only what is named here is made. */
  throwaway(place: 'other' | 'elsewhere', needs: ReadonlySet<string>): Promise<Target>;
  close(): Promise<void>;
}

/** A type that another subgraph keeps. */
const DOCUMENTS = {
  path: 'policies/documents.yaml',
  text: 'subjects: { Document: { actions: [publish], attributes: { id: id, ownerId: id } } }',
};

export async function openWorld(): Promise<World> {
  const castellans = await startCastellans(2, {
    policyFiles: [...(await readPolicyFiles('policies')), DOCUMENTS],
  });
  const makers = makersOn(castellans);
  await addScopes(makers.app.services, 'acme/platform', 'acme/shop', 'globex');
  await makers.addTeam();
  const gateway = await addGateway(castellans);
  const askers: Asker[] = [];
  for (const name of ASKERS) askers.push(await makers.asker(name));
  return {
    castellans,
    gatewayKey: gateway.secret,
    askers,
    other: await makers.whole(OTHER),
    elsewhere: await makers.whole(ELSEWHERE),
    asker: (name) => makers.asker(name),
    throwaway: (place, needs) => makers.some(place === 'other' ? OTHER : ELSEWHERE, needs),
    close: () => castellans.close(),
  };
}

function makersOn(castellans: Castellans) {
  const [app] = castellans.apps;
  if (app === undefined) throw new TypeError('two were started');
  const { services } = app;
  const row = async (text: string, ...values: readonly unknown[]) =>
    (await castellans.rows<Record<string, string>>(text, ...values))[0] ?? {};
  const fresh = () => `x${randomSymbols(12)}`;

  async function team(name: string): Promise<string> {
    const inherited = await services.roles.findByName(SYSTEM, 'auditor');
    const { value } = await services.customRoles.create(SYSTEM, { name, inherits: [inherited?.id ?? ''] });
    return value.id;
  }

  /** What is everybody's, and ids that nobody has. */
  async function shared(path: string): Promise<Target> {
    const role = await services.roles.findByName(SYSTEM, 'team');
    const member = await services.roles.findByName(SYSTEM, 'member');
    const scope = await services.scopes.findByPath(SYSTEM, path);
    return {
      user: newId('user'),
      email: `${fresh()}@matrix.example`,
      session: newId('session'),
      service: newId('serviceAccount'),
      key: newId('apiKey'),
      prefix: `ck_test_${randomSymbols(26)}`,
      scope: scope?.id ?? '',
      path,
      grant: newId('grant'),
      role: role?.id ?? '',
      member: member?.id ?? '',
      event: newId('securityEvent'),
      entry: 'audit_0',
      fresh: fresh(),
      version: (await row('select version from policy_head'))['version'] ?? '',
      signingKey: newId('signingKey'),
    };
  }

  async function user({ scope, roles }: Person, password?: string) {
    const email = `${fresh()}@matrix.example`;
    const id = await addUser(app!, { email, name: 'Ann Other', scope, ...(password !== undefined && { password }) });
    for (const [role, at] of roles) await addGrant(app!, { principalId: id, role, scope: at });
    const { id: grant = '' } = await row('select id from grants where principal_id = $1', id);
    return { user: id, email, grant };
  }

  async function session(email: string) {
    const headers = { 'user-agent': 'Opera/9.80', 'apollographql-client-name': 'matrix' };
    const { data } = await castellans.ask<{ signIn: { accessToken: string; session: { id: string } } }>(
      `mutation { signIn(input: { email: "${email}", password: "${PASSWORD}" }) {
        ... on SignedIn { accessToken session { id } } } }`,
      { headers },
    );
    if (data === null) throw new Error(`${email} could not sign in`);
    return { token: data.signIn.accessToken, session: data.signIn.session.id };
  }

  async function service({ scope, roles }: Person, limits: object = {}) {
    const { value: account } = await services.serviceAccounts.create(SYSTEM, { name: 'of a program', scope });
    for (const [role, at] of roles) await addGrant(app!, { principalId: account.id, role, scope: at });
    const { value } = await services.apiKeys.create(SYSTEM, {
      name: 'of a program',
      serviceAccountId: account.id,
      expiresAt: '2190-01-01T00:00:00.000Z',
      ...limits,
    });
    return { service: account.id, key: value.apiKey.id, prefix: value.apiKey.prefix, secret: value.secret };
  }

  async function event(userId: string, sessionId: string) {
    const id = newId('securityEvent');
    await castellans.rows(
      `insert into security_events (id, at, kind, severity, user_id, session_id, facts, once)
       values ($1, now(), 'session.takeover_suspected', 'warning', $2, $3, '{}', $1)`,
      id,
      userId,
      sessionId,
    );
    return { event: id };
  }

  /** What the audit says of the beginning of this user or service account. */
  async function entry(subjectId: string) {
    const found = await row(
      `select 'audit_' || id as id from audit_entries where subject_id = $1 order by id limit 1`,
      subjectId,
    );
    return { entry: found['id'] ?? '' };
  }

  async function ownKey(token: string, more = '') {
    const { data, errors } = await castellans.ask<{
      createApiKey: { apiKey: { id: string; prefix: string }; secret: string };
    }>(
      `mutation { createApiKey(input: { name: "own", expiresAt: "2190-01-01T00:00:00.000Z"${more} }) {
        apiKey { id prefix } secret } }`,
      { token },
    );
    if (data === null) throw new Error(`there is no key: ${JSON.stringify(errors)}`);
    const { apiKey, secret } = data.createApiKey;
    return { key: apiKey.id, prefix: apiKey.prefix, secret };
  }

  return {
    app,
    addTeam: () => team('team'),

    async asker(name: AskerName): Promise<Asker> {
      const [asUser, asService] = [USERS[name], SERVICES[name]];
      const own = await shared((asUser ?? asService ?? OTHER).scope);
      if (asService !== undefined) {
        const { secret, ...made } = await service(asService);
        // A key is nobody's session, and its owner is no user.
        return {
          name,
          shown: { apiKey: secret },
          own: { ...own, ...made, ...(await entry(made.service)), user: made.service },
        };
      }
      if (asUser === undefined) return { name, shown: null, own };
      const made = await user(asUser, PASSWORD);
      const { token, session: sessionId } = await session(made.email);
      const { secret, ...key } = await ownKey(token, name === 'reader' ? ', readOnly: true' : '');
      const target = {
        ...own,
        ...made,
        ...key,
        session: sessionId,
        ...(await event(made.user, sessionId)),
        ...(await entry(made.user)),
      };
      return {
        name,
        shown: name === 'reader' ? { apiKey: secret } : { token },
        own: { ...target, service: made.user },
      };
    },

    async whole(person: Person): Promise<Target> {
      const made = await user(person, PASSWORD);
      const { session: sessionId } = await session(made.email);
      const { secret: _, ...program } = await service({ ...person, roles: [] });
      const happened = { ...(await event(made.user, sessionId)), ...(await entry(made.user)) };
      return { ...(await shared(person.scope)), ...made, ...program, ...happened, session: sessionId };
    },

    async some(person: Person, needs: ReadonlySet<string>): Promise<Target> {
      const wants = (...names: readonly string[]) => names.some((name) => needs.has(name));
      const target: Record<string, string> = { ...(await shared(person.scope)) };
      if (wants('user', 'email', 'session', 'grant')) {
        const password = needs.has('session') ? PASSWORD : undefined;
        Object.assign(target, await user({ ...person, roles: [['team', person.scope]] }, password));
        const { id } = await row(
          'select id from grants where principal_id = $1 and scope_id is not null',
          target['user'],
        );
        target['grant'] = id ?? '';
      }
      if (needs.has('session')) target['session'] = (await session(target['email'] ?? '')).session;
      if (wants('service', 'key', 'prefix')) Object.assign(target, await service({ ...person, roles: [] }));
      if (wants('scope')) {
        target['path'] = `${person.scope}/${fresh()}`;
        target['scope'] = (await services.scopes.create(SYSTEM, target['path'])).value.id;
      }
      if (needs.has('role')) target['role'] = await team(fresh());
      if (needs.has('signingKey')) target['signingKey'] = (await row('select id from signing_keys'))['id'] ?? '';
      return target as unknown as Target; // all that shared() has
    },
  };
}
