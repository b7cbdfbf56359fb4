import { describe, expect, test } from '@jest/globals';
import { checkNewPassword } from '../../../src/domain/users/new-passwords.ts';
import { hashPassword, isOutdated, STRENGTH_MIN, verifyPassword } from '../../../src/domain/users/passwords.ts';

const OWNER = { email: 'mona.lisa@louvre.example', name: 'Mona Lisa del Giocondo' };

function refusalOf(password: string, field?: string): unknown {
  try {
    checkNewPassword(password, OWNER, field);
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
  ])('may be %j', (password) => {
    expect(refusalOf(password)).toBeNull();
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
  ])('may not be made of %s: %j', (_, password) => {
    expect(refusalOf(password)).toMatchObject({ code: 'BAD_USER_INPUT', data: { field: 'password' } });
  });

  test('is refused under the name of the argument it came in', () => {
    expect(refusalOf('short', 'newPassword')).toMatchObject({ data: { field: 'newPassword' } });
  });

  test('is judged quickly, however it is made', () => {
    for (const text of ['ab', 'password', 'a b c d e f g h ', 'abcdefghi']) refusalOf(text.repeat(1_024 / text.length));
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

  test('is checked at the cost it was made with, whatever the cost is now', async () => {
    const hash = await hashPassword('a password', strength);
    expect(await verifyPassword('a password', hash)).toBe(true);
    expect(await verifyPassword('b password', hash)).toBe(false);
    expect(await verifyPassword('a password', null, strength)).toBe(false);
  });
});
