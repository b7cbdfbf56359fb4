/**
 * What the proxy before a Castellan in production says: nobody is answered who comes in the clear. TLS itself is not measured, as it
 * is not with those beside it.
 */
export const OVER_TLS = { 'x-forwarded-proto': 'https' } as const;
/** Who says so: everybody on this machine. */
export const PROXIES = '127.0.0.0/8';
