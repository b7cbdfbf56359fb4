/** Cuts a stream of RESP2, of commands or of replies, into whole ones, whatever chunks it comes in. */
export function createCutter(): (chunk: Buffer) => readonly Buffer[] {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    const whole: Buffer[] = [];
    for (let end = endOf(rest, 0); end !== null; end = endOf(rest, 0)) {
      whole.push(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
    return whole;
  };
}

/** Where the value that begins at `start` ends; null when it is not all there. */
function endOf(bytes: Buffer, start: number): number | null {
  const lineEnd = bytes.indexOf('\r\n', start);
  if (lineEnd < 0) return null;
  const type = String.fromCharCode(bytes[start] ?? 0);
  const count = Number(bytes.toString('latin1', start + 1, lineEnd));
  const next = lineEnd + 2;
  if (type === '$' && count >= 0) return next + count + 2 <= bytes.length ? next + count + 2 : null;
  if (type !== '*') return next;
  let end: number | null = next;
  for (let element = 0; element < count && end !== null; element += 1) end = endOf(bytes, end);
  return end;
}
