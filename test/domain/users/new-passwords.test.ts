import { describe, expect, test } from '@jest/globals';
import { checkNewPassword } from '../../../src/domain/users/new-passwords.ts';
import {
  hashPassword,
  isOutdated,
  PASSWORD_BYTES_MAX,
  STRENGTH_MIN,
  verifyPassword,
} from '../../../src/domain/users/passwords.ts';

const CONTEXT = {
  email: 'mona.lisa@louvre.example',
  name: 'Mona Lisa del Giocondo',
  issuer: 'https://accounts.velvet-lantern.example',
};

async function refusalOf(password: string, field?: string): Promise<unknown> {
  try {
    await checkNewPassword(password, CONTEXT, field);
    return null;
  } catch (error) {
    return error;
  }
}

describe('a new password', () => {
  test.each([
    'a few unrelated words',
    'correct horse battery staple',
    'Tr0ub4dor&3 and more',
    'mona has a long password',
    'qX7#pL2!vR9$mK4',
    'wöchentlich grüßen äpfel',
    '密码是一些不相关的词语和更多的字',
    'hunter gathers 14 apples',
    'x7f3a9c1e5b2d8406f',
    'manchester 830261749502',
    'manchester and three more towns',
  ])('may be %j', async (password) => {
    expect(await refusalOf(password)).toBeNull();
  });

  test.each([
    ['too short', 'fourteen chars'],
    ['one character', 'aaaaaaaaaaaaaaaaaaaa'],
    ['two characters', 'abababababababababab'],
    ['one word over and over', 'zebrazebrazebrazebra'],
    ['the alphabet', 'abcdefghijklmnopqrst'],
    ['digits backwards', '09876543210987654321'],
    ['a row of the keyboard', 'qwertyuiopasdfghjkl'],
    ['three rows', 'qazwsx1qaz2wsxqwerty'],
    ['common words', 'PasswordPassword123456'],
    ['common words apart', 'letmein welcome 1234'],
    ['common words with signs', 'password!!!!!!!!!!!!!'],
    ['common words wider', 'ｐａｓｓｗｏｒｄ１２３４５６７８'],
    ['the name', 'mona lisa giocondo'],
    ['the address', 'mona.lisa@louvre.example'],
    ['name, year and a common word', 'MonaLisaPassword1503'],
    ['the house', 'castellan castellan 1'],
    ['the address of the house', 'VelvetLantern2024'],
    ['one of the list', 'polniypizdec0211'],
    ['one of the list in capitals', 'BPGJLDSGJLDTHNF'],
    ['one of the list and what follows', 'Manchester12345!!'],
    ['one of the list and a year', 'manchester-2024'],
    ['one of the list, written otherwise', 'm@nch3st3r!!!!!!'],
    ['one of the list twice', 'manchestermanchester'],
    ['one of the list, wider', 'ｍａｎｃｈｅｓｔｅｒ１２３４５'],
    ['two of the list', 'Liverpool+Chelsea 99'],
    ['the name and one of the list', 'MonaManchester1503'],
  ])('may not be made of %s: %j', async (_, password) => {
    expect(await refusalOf(password)).toMatchObject({ code: 'BAD_USER_INPUT', data: { field: 'password' } });
  });

  test('is refused under the name of the argument it came in', async () => {
    expect(await refusalOf('short', 'newPassword')).toMatchObject({ data: { field: 'newPassword' } });
  });

  test('is judged quickly, however it is made', async () => {
    for (const text of ['ab', 'password', 'a b c d e f g h ', 'abcdefghi', '1a', 'love', 'a!!!!!!!!!!!!!!!'])
      await refusalOf(text.repeat(1_024 / text.length));
  });
});

describe('a hash', () => {
  const strength = { memoryKib: 19_456, passes: 3 };

  test('holds what it cost, and is outdated for any other strength', async () => {
    const [floor, more] = [await hashPassword('a password'), await hashPassword('a password', strength)];
    expect(floor).toContain('$m=19456,t=2,p=1$');
    expect(more).toContain('$m=19456,t=3,p=1$');
    expect([isOutdated(floor, STRENGTH_MIN), isOutdated(floor, strength)]).toEqual([false, true]);
    expect([isOutdated(more, strength), isOutdated(more, STRENGTH_MIN)]).toEqual([false, true]);
  });

  test('is of the whole password, in its own case: nothing is cut off or folded but composition', async () => {
    const long = `Ä${'x'.repeat(PASSWORD_BYTES_MAX - 4)}`;
    const hash = await hashPassword(`${long}y`);
    expect(await verifyPassword(`${long}y`.normalize('NFD'), hash)).toBe(true);
    for (const other of [`${long}z`, long, `${long}Y`, `ä${long.slice(1)}y`, `${long}y `, ` ${long}`]) {
      expect(await verifyPassword(other, hash)).toBe(false);
    }
  });

  test('is checked at the cost it was made with, whatever the cost is now', async () => {
    const hash = await hashPassword('a password', strength);
    expect(await verifyPassword('a password', hash)).toBe(true);
    expect(await verifyPassword('b password', hash)).toBe(false);
    expect(await verifyPassword('a password', null, strength)).toBe(false);
  });
});
