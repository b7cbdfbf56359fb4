import type { SubjectRecord } from '../../src/domain/principals/principal.ts';
import { attributesOf, SUBJECTS, type SubjectName } from './policies.ts';

/** A record that is decided on, in the two forms in which it is known. */
export interface Subject {
  readonly type: SubjectName;
  readonly id: string;
  readonly known: Readonly<Record<string, unknown>>;
  readonly stored: SubjectRecord;
}

export interface Question {
  readonly subject: Subject;
  readonly action: string;
  readonly field: string | undefined;
}

/** One way to decide, about one principal under one policy; null about what it never decides. */
export type Way = (question: Question) => boolean | null;

/**
 * What is asked of everybody: whether each record and each of its fields may be read; and any other action, on the record as a
 * whole and for one field, of a third of the records, which `turn` chooses, and of all documents.
 */
export function questionsOn(subjects: readonly Subject[], turn: number): readonly Question[] {
  return subjects.flatMap((subject, place): Question[] => {
    const fields = attributesOf(subject.type);
    const reading = [undefined, ...fields].map((field) => ({ subject, action: 'read', field }));
    if (subject.type !== 'Doc' && (place + turn) % 3 > 0) return reading;
    const others = SUBJECTS[subject.type].actions.filter((action) => action !== 'read');
    const doing = others.flatMap((action, at) =>
      [undefined, fields[(place + turn + at) % fields.length]].map((field) => ({ subject, action, field })),
    );
    return [...reading, ...doing];
  });
}

/** The key of the answers about one type. */
export const askedAs = (action: string, field: string | undefined): string => `${action} ${field ?? ''}`;
