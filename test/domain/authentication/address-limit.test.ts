import { describe, expect, test } from '@jest/globals';
import { AddressLimit } from '../../../src/domain/authentication/address-limit.ts';
import { networkOf } from '../../../src/kit/networks.ts';
import { createTestClock } from '../../support/castellan.ts';

const LIMITED = expect.objectContaining({ code: 'RATE_LIMITED' });

describe('AC-48: the network of an address', () => {
  test.each([
    ['192.0.2.1', ['192.0.2.1', '::ffff:192.0.2.1', '::FFFF:c000:0201']],
    ['2001:db8:0:1::/64', ['2001:db8:0:1::1', '2001:0DB8:0000:0001:ffff:ffff:ffff:ffff', '2001:db8::1:0:0:192.0.2.1']],
    ['0:0:0:0::/64', ['::1', '0:0:0:0:0:0:0:1', '::']],
    ['fe80:0:0:0::/64', ['fe80::1%eth0', 'FE80::2']],
  ])('is %s for all of it, however it is written', (network, addresses) => {
    expect(addresses.map(networkOf)).toEqual(addresses.map(() => network));
  });

  test('is another one next door', () => {
    expect(networkOf('192.0.2.2')).not.toBe(networkOf('192.0.2.1'));
    expect(networkOf('2001:db8:0:2::1')).not.toBe(networkOf('2001:db8:0:1::1'));
  });
});

describe('a limit by address', () => {
  test('lets so many through in a quarter of an hour, and as many in the next', () => {
    const clock = createTestClock();
    const limit = new AddressLimit(3, clock);
    for (let n = 0; n < 3; n += 1) limit.take('2001:db8::1');
    expect(() => limit.take('2001:db8::2')).toThrow(LIMITED);
    limit.take('192.0.2.1');
    clock.advance(900_000);
    for (let n = 0; n < 3; n += 1) limit.take('2001:db8::3');
    expect(() => limit.take('2001:db8::1')).toThrow(LIMITED);
  });

  test('counts what is given back for nothing, and never below none', () => {
    const limit = new AddressLimit(1, createTestClock());
    for (let n = 0; n < 5; n += 1) {
      limit.take('192.0.2.1');
      limit.giveBack('192.0.2.1');
      limit.giveBack('192.0.2.1');
    }
    limit.take('192.0.2.1');
    expect(() => limit.take('192.0.2.1')).toThrow(LIMITED);
  });

  test('counts nothing where no address is known', () => {
    const limit = new AddressLimit(1, createTestClock());
    for (let n = 0; n < 5; n += 1) limit.take(null);
    limit.giveBack(null);
  });
});
