import { describe, expect, test } from '@jest/globals';
import { Keys, Secret } from '../../src/kit/secret.ts';

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
