import type { PolicyFile } from '../../src/domain/policy/parse.ts';

/** As many as stay below the size a file may have. */
const RULES_PER_FILE = 1_000;

export const FILES = 20;
export const ROLES_PER_FILE = 50;
export const RULES_PER_ROLE = 10;
export const ROLES = FILES * ROLES_PER_FILE;

/** The role "reader", with rules about one action on one type; each is for the documents of one owner, o0, o1 and so on. */
export function rulesByOwner(count: number): readonly PolicyFile[] {
  const subjects = 'subjects:\n  Doc:\n    actions: [read]\n    attributes: { id: id, owner: id }\n';
  const rules = Array.from(
    { length: count },
    (_, at) => `      - { action: read, subject: Doc, where: { owner: o${at} } }\n`,
  );
  const files = Array.from({ length: Math.ceil(count / RULES_PER_FILE) }, (_, file) => {
    const part = rules.slice(file * RULES_PER_FILE, (file + 1) * RULES_PER_FILE);
    return { path: `rules-${file}.yaml`, text: `roles:\n  reader:\n    allow:\n${part.join('')}` };
  });
  return [{ path: 'subjects.yaml', text: subjects }, ...files];
}

/** A thousand roles with ten rules each, in twenty files, over types and actions that they share. */
export function thousandRoles(): readonly PolicyFile[] {
  const types = Array.from({ length: 10 }, (_, type) => {
    const attributes = "{ id: id, owner: id, team: id, status: 'enum(draft, live, closed)' }";
    return `  Type${type}:\n    actions: [read, update, close]\n    attributes: ${attributes}\n`;
  });
  const files = Array.from({ length: FILES }, (_, file) => ({
    path: `roles-${String(file).padStart(2, '0')}.yaml`,
    text: `roles:\n${Array.from({ length: ROLES_PER_FILE }, (_, n) => role(file * ROLES_PER_FILE + n)).join('')}`,
  }));
  return [{ path: 'subjects.yaml', text: `subjects:\n${types.join('')}` }, ...files];
}

function role(n: number): string {
  const rules = Array.from({ length: RULES_PER_ROLE }, (_, rule) => {
    const where = [`owner: '\${principal.id}'`, `team: t${n}`, `team: t${n}, status: live`, 'status: { ne: closed }'];
    const action = ['read', 'update', 'close'][rule % 3];
    return `      - { action: ${action}, subject: Type${rule}, where: { ${where[rule % where.length]} } }\n`;
  });
  return `  role${n}:\n    allow:\n${rules.join('')}`;
}

/** The same files, but for one rule of one role; another for every `edit`. */
export function withOneEdit(files: readonly PolicyFile[], edit: number): readonly PolicyFile[] {
  const path = `roles-${String(FILES / 2).padStart(2, '0')}.yaml`;
  const team = `team: t${(FILES / 2) * ROLES_PER_FILE} }`;
  return files.map((file) => {
    if (file.path !== path) return file;
    if (!file.text.includes(team)) throw new TypeError(`there is no ${team} to change in ${path}`);
    return { path, text: file.text.replace(team, `team: edit${edit} }`) };
  });
}

/** What an application of members, support and administrators starts with, and the same with one rule narrowed. */
export const smallPolicies: readonly [before: PolicyFile, after: PolicyFile] = ['', ', status: active'].map(
  (narrowed) => ({
    path: 'small.yaml',
    text: `subjects:
  User:
    actions: [read, update, disable]
    attributes: { id: id, email: string, status: 'enum(active, disabled)', scope: scope }
  Session:
    actions: [read, revoke]
    attributes: { id: id, userId: id, scope: scope }
roles:
  member:
    allow:
      - { action: read, subject: User, where: { id: '\${principal.id}' }, within: any }
      - { action: update, subject: User, where: { id: '\${principal.id}'${narrowed} }, within: any }
      - { action: [read, revoke], subject: Session, where: { userId: '\${principal.id}' }, within: any }
  support:
    allow:
      - { action: [read, disable], subject: User }
      - { action: [read, revoke], subject: Session }
  administrator:
    allow:
      - { action: manage, subject: all }
`,
  }),
) as [PolicyFile, PolicyFile];
