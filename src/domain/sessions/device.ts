import { parse } from 'bowser';
import { badInput } from '../refusals.ts';

export type DeviceKind = 'desktop' | 'mobile' | 'tablet' | 'tv' | 'bot' | 'other';

/** What a user agent says it runs on. Anybody can say anything: it is for looking at, and decides nothing. */
export interface Device {
  /** `other` where it does not say. */
  readonly deviceKind: DeviceKind;
  /** The family of the browser, without its version: `Firefox`. */
  readonly browser: string | null;
  /** The same of the operating system: `macOS`. */
  readonly os: string | null;
}

const KINDS: ReadonlySet<string> = new Set<DeviceKind>(['desktop', 'mobile', 'tablet', 'tv', 'bot', 'other']);
const LENGTH_MAX = 100;
const NOTHING: Device = { deviceKind: 'other', browser: null, os: null };

/** Reads a user agent. Costs far more than a look-up, so it is done when a session starts, and never again. */
export function readDevice(userAgent: string | null): Device {
  if (userAgent === null || userAgent === '') return NOTHING;
  const { platform, browser, os } = parse(userAgent);
  const { type } = platform;
  return { deviceKind: isDeviceKind(type) ? type : 'other', browser: shortText(browser.name), os: shortText(os.name) };
}

export function isDeviceKind(kind: string | null | undefined): kind is DeviceKind {
  return typeof kind === 'string' && KINDS.has(kind);
}

/** What a program calls itself in a header, without what cannot be shown; null when nothing is left. */
export function readClient(header: string | null): string | null {
  return shortText(header ?? undefined);
}

/** The name that a user gives to a session. Refuses with BAD_USER_INPUT what is none. */
export function parseLabel(label: string): string {
  const trimmed = label.trim();
  if (trimmed === '' || trimmed.length > LENGTH_MAX || !trimmed.isWellFormed() || /\p{Cc}/u.test(trimmed)) {
    throw badInput('label', `A label has 1 to ${LENGTH_MAX} characters and no control characters.`);
  }
  return trimmed;
}

function shortText(text: string | undefined): string | null {
  const shown = (text ?? '').replaceAll(/\p{Cc}/gu, '').trim();
  return shown === '' ? null : shown.slice(0, LENGTH_MAX).toWellFormed().trim();
}
