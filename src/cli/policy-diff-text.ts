import type { Bundle } from '../domain/policy/bundle.ts';
import { mfaChanges } from '../domain/policy/second-factors.ts';
import { proofText, stepUpChanges } from '../domain/policy/step-ups.ts';
import type { Comparison } from './policy-diff.ts';
import type { DiffGroup } from './policy-diff-groups.ts';
import { clip, count, fit, short, some, wrap } from './policy-text.ts';

const MEMBERS_SHOWN = 10;
const ROLES_SHOWN = 8;
const FIELDS_SHOWN = 12;

export function diffLines(
  { bundles: [before, after], against, asked, population, people }: Comparison,
  folder: string,
  groups: readonly DiffGroup[],
  all: boolean,
): readonly string[] {
  const whom = asked === null ? 'everybody' : count(asked, 'principal');
  const from = population === 'cases' ? `${whom} of the cases` : whom;
  return [
    ...wrap(`before  ${short(before.version)}  ${against}`),
    ...wrap(`after   ${short(after.version)}  ${folder}`),
    ...groups.flatMap((group) => ['', ...groupLines(group, all)]),
    ...stepUpLines(before, after),
    ...mfaLines(before, after),
    '',
    ...unread(groups, people),
    ...wrap(summary(groups, from, before.version === after.version)),
  ];
}

function stepUpLines(before: Bundle, after: Bundle): readonly string[] {
  return stepUpChanges(before.subjects, after.subjects).flatMap(({ action, subject, ...proof }) => [
    '',
    ...wrap(`STEP UP ${action} ${subject}`),
    ...wrap(`  before: ${proofText(proof.before)}; after: ${proofText(proof.after)}`),
  ]);
}

function mfaLines(before: Bundle, after: Bundle): readonly string[] {
  return mfaChanges(before, after).flatMap(({ role, required }) => [
    '',
    ...wrap(`SECOND FACTOR ${role}`),
    ...wrap(required ? '  required from now on' : '  not required any more'),
  ]);
}

function groupLines(group: DiffGroup, all: boolean): readonly string[] {
  const { effect, action, subject, fields, members, principals, roles, liveSessions } = group;
  const only = fields.length === 0 ? '' : ` (${some(fields, FIELDS_SHOWN)})`;
  const facts = [
    count(principals, 'principal'),
    ...(roles.length === 0 ? [] : [`roles: ${some(roles, ROLES_SHOWN)}`]),
    ...(liveSessions === null ? [] : [count(liveSessions, 'live session')]),
    `on ${about(group, group.records)}`,
  ];
  const shown = all ? members : members.slice(0, MEMBERS_SHOWN);
  const emails = Math.min(40, Math.max(...shown.map(({ id, email }) => (email ?? id).length)));
  const more = members.length - shown.length;
  return [
    ...wrap(`${effect.toUpperCase()} ${action} ${subject}${only}`),
    ...wrap(`  ${facts.join('; ')}`),
    ...shown.map((member) => {
      const name = clip(member.email ?? member.id, emails).padEnd(emails);
      const id = member.email === null ? '' : `  ${member.id}`;
      return fit(`    ${name}${id}  ${memberFacts(group, member)}`.trimEnd());
    }),
    ...(more > 0 ? [`    … and ${more} more: --all names them`] : []),
  ];
}

function memberFacts({ own }: DiffGroup, { liveSessions, records }: DiffGroup['members'][number]): string {
  const sessions = liveSessions === null ? [] : [count(liveSessions, 'live session')];
  return [...sessions, ...(own ? [] : [count(records, 'record')])].join(', ');
}

function about({ own, subject }: DiffGroup, records: number): string {
  if (!own) return count(records, `${subject} record`);
  return subject === 'Session' ? 'their own sessions' : 'themselves';
}

/** Over HTTP, no more than some are looked up. */
function unread(groups: readonly DiffGroup[], people: Comparison['people']): readonly string[] {
  const ids = new Set(groups.flatMap(({ members }) => members.map(({ id }) => id)).filter((id) => !people.has(id)));
  return ids.size === 0
    ? []
    : wrap(`${count(ids.size, 'principal')} were not looked up: their roles are not named here.`);
}

function summary(groups: readonly DiffGroup[], whom: string, same: boolean): string {
  if (same) return `Both mean the same. Nobody gains or loses anything; asked for ${whom}.`;
  if (groups.length === 0) return `Nobody gains or loses anything; asked for ${whom}.`;
  const who = (effect: DiffGroup['effect']) =>
    new Set(groups.filter((group) => group.effect === effect).flatMap(({ members }) => members.map(({ id }) => id)))
      .size;
  return `${who('gains')} gain and ${who('loses')} lose something; asked for ${whom}.`;
}
