import type { Instant } from '../../kit/clock.ts';
import { formatPosition, type Position } from '../authority/position.ts';
import type { Tail } from '../authority/tail.ts';
import type { Policy } from '../policy/policy.ts';
import type { Principal } from '../principals/principal.ts';
import { CLOCK_SECONDS_MAX } from './health.ts';
import type { InstanceReport, InstanceReports, InstanceState, Waiting } from './instance-report.ts';

/** An instance says how it is every five seconds; beyond this nothing is known of it. */
const SILENT_MS = 15_000;
/** What waits longer than this is behind. */
const BEHIND_SECONDS = 60;

/** Something that is not as it should be: at an instance, or with what all share. */
export interface HealthProblem {
  readonly name: string;
  readonly instanceId: string | null;
}

export interface InstanceHealth extends Partial<Omit<InstanceReport, 'notReady' | 'pool'>> {
  readonly id: string;
  readonly current: boolean;
  readonly state: InstanceState['state'];
  readonly lastSeenAt: Instant;
  readonly position: string;
  readonly lag: number;
  readonly reportedAt: Instant | null;
  readonly notReady: readonly string[];
  readonly pool: InstanceReport['pool'] | null;
}

export interface Backlog {
  readonly events: number;
  readonly eventsSeconds: number;
  readonly errands: number;
  readonly errandsSeconds: number;
}

export interface SystemReport {
  readonly status: 'ok' | 'degraded';
  readonly problems: readonly HealthProblem[];
  readonly at: Instant;
  readonly position: string;
  readonly policyVersion: string | null;
  readonly missingMigrations: readonly string[];
  readonly backlog: Backlog;
  readonly instances: readonly InstanceHealth[];
}

/** How all instances are, as each last said, and what they share. */
export class SystemHealth {
  readonly #reports: InstanceReports;
  readonly #tail: Tail;
  readonly #policy: Policy;

  constructor(parts: { reports: InstanceReports; tail: Tail; policy: Policy }) {
    this.#reports = parts.reports;
    this.#tail = parts.tail;
    this.#policy = parts.policy;
  }

  /** For whoever may read it everywhere: it is about the whole house. One statement. */
  async report(by: Principal): Promise<SystemReport> {
    this.#policy.demandOpenly(by, 'read', { __typename: 'SystemHealth', id: 'system' });

    const { epoch, head, policyVersion, missingMigrations, at, events, errands, setAside, ...read } =
      await this.#reports.read();
    const nowMs = Date.parse(at);
    const instances = read.instances.map((each) => this.#instance(each, { epoch, seq: head }));
    const backlog = {
      events: events.count,
      eventsSeconds: secondsOf(events, nowMs),
      errands: errands.count,
      errandsSeconds: secondsOf(errands, nowMs),
    };
    const problems = [
      ...(missingMigrations.length > 0 ? [{ name: 'migrations', instanceId: null }] : []),
      ...(backlog.eventsSeconds > BEHIND_SECONDS ? [{ name: 'events', instanceId: null }] : []),
      ...(backlog.errandsSeconds > BEHIND_SECONDS ? [{ name: 'errands', instanceId: null }] : []),
      ...(setAside ? [{ name: 'set_aside', instanceId: null }] : []),
      ...instances.flatMap((each) => problemsOf(each, policyVersion, nowMs)),
    ];
    return {
      status: problems.length === 0 ? 'ok' : 'degraded',
      problems,
      at,
      position: formatPosition({ epoch, seq: head }),
      policyVersion,
      missingMigrations,
      backlog,
      instances,
    };
  }

  #instance({ report, applied, ...row }: InstanceState, { epoch, seq }: Position): InstanceHealth {
    return {
      ...row,
      ...report,
      current: row.id === this.#tail.instanceId,
      position: formatPosition({ epoch, seq: applied }),
      lag: Math.max(0, seq - applied),
      notReady: report?.notReady ?? [],
      pool: report?.pool ?? null,
    };
  }
}

function problemsOf(instance: InstanceHealth, policyVersion: string | null, nowMs: number): readonly HealthProblem[] {
  const { id: instanceId, state, lastSeenAt, reportedAt, notReady, redis, policyFilesUsable } = instance;
  const { clockAheadSeconds = 0 } = instance;
  const isSilent = state === 'marked' || nowMs - Date.parse(reportedAt ?? lastSeenAt) > SILENT_MS;
  const names = [
    ...(isSilent ? ['silent'] : notReady.filter((name) => name !== 'migrations')),
    ...(redis === 'silent' ? ['redis'] : []),
    ...(policyFilesUsable === false ? ['policy_files'] : []),
    ...(Math.abs(clockAheadSeconds) > CLOCK_SECONDS_MAX ? ['clock'] : []),
    ...(isSilent || (instance.policyVersion ?? policyVersion) === policyVersion ? [] : ['policy_version']),
  ];
  return names.map((name) => ({ name, instanceId }));
}

function secondsOf({ since }: Waiting, nowMs: number): number {
  return since === null ? 0 : Math.max(0, (nowMs - Date.parse(since)) / 1_000);
}
