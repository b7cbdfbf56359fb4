/** What a run of Jest comes to. It is a success when nothing failed and nobody complains. */
export interface Verdict {
  readonly passed: number;
  readonly failed: number;
  /** Why the run is no success though the numbers may look like one. */
  readonly complaints: readonly string[];
}

/** A run that came to no result is itself what failed. */
export function noResult(complaint: string): Verdict {
  return { passed: 0, failed: 1, complaints: [complaint] };
}

/**
 * @param json Jest's `--json` report, or null when it wrote none.
 * @param end Jest's exit code, or the signal it died of.
 */
export function verdictOf(json: string | null, end: number | NodeJS.Signals): Verdict {
  if (json === null) return noResult(`Jest wrote no result (it ended with ${end})`);
  const count = countsOf(json);
  if (count === null) return noResult(`Jest wrote a result that cannot be read (it ended with ${end})`);

  const passed = count('numPassedTests');
  // A file that could not be loaded has no tests that could fail.
  const failed = count('numFailedTests') + count('numRuntimeErrorTestSuites');
  const notRun = count('numPendingTests') + count('numTodoTests');
  const complaints: string[] = [];
  if (notRun > 0) complaints.push(`${notRun} tests were skipped or are only planned: that is no success`);
  if (passed + failed === 0) complaints.push('no test ran');
  if (end !== 0 && complaints.length === 0 && failed === 0)
    complaints.push(`Jest ended with ${end}, though no test failed`);
  return { passed, failed, complaints };
}

function countsOf(json: string): ((name: string) => number) | null {
  try {
    const report: unknown = JSON.parse(json);
    if (typeof report !== 'object' || report === null || !('numPassedTests' in report)) return null;
    const counts = new Map<string, unknown>(Object.entries(report));
    return (name) => Number(counts.get(name) ?? 0);
  } catch {
    return null;
  }
}
