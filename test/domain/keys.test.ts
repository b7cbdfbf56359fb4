import { describe, expect, test } from '@jest/globals';
import { Keys, openWithToken, SEALING, Secret, sealWithToken } from '../../src/kit/secret.ts';

const keys = new Keys([new Secret('a secret of this test that derives all of its keys')]);

describe('what was made under a key', () => {
  test('of one purpose is worth nothing for another', () => {
    const signature = keys.sign('csrf-tokens', 'ses_1');
    expect(keys.verify('csrf-tokens', signature, 'ses_1')).toBe(true);
    expect(keys.verify('cache', signature, 'ses_1')).toBe(false);

    const sealed = keys.seal('totp-secrets', 'plain', 'usr_1');
    expect(keys.open('totp-secrets', sealed, 'usr_1')).toBe('plain');
    expect(keys.open('signing-keys', sealed, 'usr_1')).toBeNull();

    const attestation = keys.attest('audit', 'head', '1');
    expect(keys.attested('audit', attestation, 'head', '1')).toBe(true);
    expect(keys.attested('cache', attestation, 'head', '1')).toBe(false);
  });

  test('opens where it was sealed alone', () => {
    const sealed = keys.seal('totp-secrets', 'plain', 'usr_1');
    expect(keys.open('totp-secrets', sealed, 'usr_1')).toBe('plain');
    expect(keys.open('totp-secrets', sealed, 'usr_2')).toBeNull();
  });

  test('is bound to where its parts begin and end', () => {
    const signature = keys.sign('cache', 'ab', 'c');
    expect(keys.verify('cache', signature, 'ab', 'c')).toBe(true);
    expect(keys.verify('cache', signature, 'a', 'bc')).toBe(false);
    expect(keys.attested('audit', keys.attest('audit', 'ab', 'c'), 'a', 'bc')).toBe(false);
  });

  test('under a secret that is not listed is nobody’s', () => {
    const others = new Keys([new Secret('a secret of somebody else that derives other keys')]);
    expect(keys.verify('cache', others.sign('cache', 'a'), 'a')).toBe(false);
    expect(keys.open('totp-secrets', others.seal('totp-secrets', 'plain', 'usr_1'), 'usr_1')).toBeNull();
    expect(keys.attested('audit', others.attest('audit', 'a'), 'a')).toBeNull();
  });
});

describe('what is sealed', () => {
  const secrets = [new Secret('a secret of this test that derives all of its keys')];

  test('says with what, the first algorithm by naming none', () => {
    const [first, second] = SEALING.map((sealing) => new Keys(secrets, sealing).seal('totp-secrets', 'plain', 'usr_1'));
    expect(first).toMatch(/^[\w-]{8}\.[\w-]+$/);
    expect(second).toMatch(/^[\w-]{8}\.chacha20-poly1305\.[\w-]+$/);
  });

  test.each(SEALING)('with %s is opened whatever is sealed with now, where and as it was sealed alone', (sealing) => {
    const sealed = new Keys(secrets, sealing).seal('totp-secrets', 'plain', 'usr_1');
    for (const now of SEALING) {
      const opened = new Keys(secrets, now);
      expect(opened.open('totp-secrets', sealed, 'usr_1')).toBe('plain');
      expect(opened.open('totp-secrets', sealed, 'usr_2')).toBeNull();
      expect(opened.open('signing-keys', sealed, 'usr_1')).toBeNull();
      expect(opened.open('totp-secrets', `${sealed.slice(0, -6)}AAAAAA`, 'usr_1')).toBeNull();
    }
  });

  test('before there was more than one algorithm is opened', () => {
    const sealed = 'QWfhB50F.xeVjpzsGS8OsEZT6KgFsKCWo3RMA60K5idqFb5g7Zgaf';
    expect(keys.open('totp-secrets', sealed, 'usr_1')).toBe('plain');
  });

  test('with one algorithm does not open as if it were with another', () => {
    const sealed = keys.seal('totp-secrets', 'plain', 'usr_1');
    const [id = '', value = ''] = sealed.split('.');
    expect(keys.open('totp-secrets', `${id}.chacha20-poly1305.${value}`, 'usr_1')).toBeNull();
  });

  test('with an algorithm that is not known is refused by its name', () => {
    const [id = '', value = ''] = keys.seal('totp-secrets', 'plain', 'usr_1').split('.');
    expect(() => keys.open('totp-secrets', `${id}.rot13.${value}`, 'usr_1')).toThrow('sealed with "rot13"');
    const successor = sealWithToken('token', 'plain', 'sess_1');
    expect(openWithToken('token', successor, 'sess_1')).toBe('plain');
    expect(() => openWithToken('token', `rot13.${successor}`, 'sess_1')).toThrow('sealed with "rot13"');
  });
});
