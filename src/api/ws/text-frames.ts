/** RFC 6455 5.2: a whole text, and the two ways to say that it is longer than seven bits tell. */
const WHOLE_TEXT = 0x81;
const [SEVEN_BITS_MAX, SIXTEEN_BITS_MAX] = [125, 0xff_ff];
const [IN_SIXTEEN_BITS, IN_SIXTY_FOUR_BITS] = [126, 127];

/** What comes before so many bytes of a text that a server sends in one frame: it is not masked, so that the same is sent to many. As `bytesOf` has it. */
export function frameHead(length: number): string {
  if (length <= SEVEN_BITS_MAX) return String.fromCharCode(WHOLE_TEXT, length);
  if (length <= SIXTEEN_BITS_MAX) return String.fromCharCode(WHOLE_TEXT, IN_SIXTEEN_BITS, length >> 8, length & 0xff);
  const bytes = Buffer.alloc(10);
  bytes.set([WHOLE_TEXT, IN_SIXTY_FOUR_BITS]);
  bytes.writeBigUInt64BE(BigInt(length), 2);
  return bytes.toString('latin1');
}
