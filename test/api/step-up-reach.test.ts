import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { Client } from 'graphql-ws';
import {
  type Answer,
  askOver,
  type Castellans,
  codesOf,
  PASSWORD,
  type SignedInUser,
  startCastellans,
} from '../support/castellan.ts';
import { tally } from '../support/accounts.ts';
import { letProofsAge, RENAME, STEP_UP, steppingPolicy, steppingUp, type SteppedUp } from '../support/step-ups.ts';

/** That a step-up is in force everywhere when it is acknowledged. */

jest.setTimeout(400_000);

const PEOPLE = 8;
const ROUNDS = 125;

type Said<T extends object = object> = Pick<Answer<T>, 'data' | 'errors'>;

interface Person extends SignedInUser {
  /** The one from its last step-up: those before are good for nothing over HTTP. */
  accessToken: string;
  readonly socket: Client;
}

let castellans: Castellans;
let people: readonly Person[];

beforeAll(async () => {
  const policyFiles = await steppingPolicy();
  const settings = { accessTokenSeconds: 3_600 };
  castellans = await startCastellans(3, { policyFiles, settings, poolMax: 10 });
  const names = Array.from({ length: PEOPLE }, (_, n) => `bob${n}`);
  const signedUp = await Promise.all(names.map((name) => castellans.signUp(name)));
  people = signedUp.map((user) => ({ ...user, socket: castellans.connect({ token: user.accessToken, instance: 1 }) }));
});

afterAll(() => castellans.close());

const rename = ({ sessionId: id }: Person, label: string) => ({ id, label });
const overHttp = (person: Person, instance: number, label: string) =>
  castellans.ask(RENAME, { variables: rename(person, label), token: person.accessToken, instance });
const overSocket = (person: Person, label: string) =>
  askOver(person.socket, RENAME, { variables: rename(person, label) });

/** The answer, however often it takes to get one: that a database is slow says nothing about a proof. */
async function answered<T extends object>(ask: () => Promise<Said<T>>): Promise<Said<T>> {
  for (;;) {
    const said = await ask();
    if (!codesOf(said).includes('AUTHORITY_UNAVAILABLE')) return said;
  }
}

/** What everybody was answered before a step-up, and by the very next operation after it was acknowledged. */
async function governed(
  operate: (person: Person, label: string) => Promise<Said>,
  stepUp: (person: Person) => Promise<Said<SteppedUp>>,
): Promise<object> {
  const [before, after]: [Said[], Said[]] = [[], []];
  let enforced = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    await letProofsAge(castellans, ...people.map(({ sessionId }) => sessionId));
    await Promise.all(
      people.map(async (person) => {
        before.push(await answered(() => operate(person, `before ${round}`)));
        const { data } = await answered(() => stepUp(person));
        enforced += data?.stepUp.receipt.enforced === true ? 1 : 0;
        person.accessToken = data?.stepUp.accessToken ?? '';
        after.push(await answered(() => operate(person, `after ${round}`)));
      }),
    );
  }
  return { before: tally(before), enforced, after: tally(after) };
}

const ALL = { before: { MFA_REQUIRED: 1_000 }, enforced: 1_000, after: { ok: 1_000 } };

test('a step-up over HTTP on one instance governs the next operation on an open socket of another, 1,000 of 1,000 times', async () => {
  const stepUp = steppingUp(() => castellans);
  expect(await governed(overSocket, (person) => stepUp(person, { password: PASSWORD }))).toEqual(ALL);
});

test('a step-up over an open socket governs the next request over HTTP on another instance, 1,000 of 1,000 times', async () => {
  const variables = { input: { password: PASSWORD } };
  const stepUp = ({ socket }: Person) => askOver<SteppedUp>(socket, STEP_UP, { variables });
  expect(await governed((person, label) => overHttp(person, 2, label), stepUp)).toEqual(ALL);
});
