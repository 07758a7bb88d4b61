/**
 * The last word of a test run: every skipped test with its reason, and as the very last line, alone, `N passed, N failed, N skipped`.
 * All three are counted from the test cases of the run. A file that does not load, a suite whose hooks fail and an error outside
 * of any test count as one failed each, a test that never ended as failed.
 * A run that is killed has no last line. The reason of a skip is the note of `ctx.skip('reason')`.
 */
import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node';

type Count = 'passed' | 'failed' | 'skipped';

function reasonOf(test: TestCase): string {
  const result = test.result();
  if (result.state === 'skipped' && result.note !== undefined) return result.note;
  for (let { parent } = test; ; parent = parent.parent) {
    if (parent.state() === 'failed' && parent.errors().length > 0) return 'the set-up of its suite failed';
    if (parent.type === 'module') break;
  }
  return test.options.mode === 'todo' ? 'to do' : 'no reason given';
}

export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const counts: Record<Count, number> = { passed: 0, failed: unhandled.length, skipped: 0 };
    const lines: string[] = [];
    for (const error of unhandled) lines.push(`failed: outside of any test: ${error.message}`);
    for (const module of modules) {
      const file = module.relativeModuleId;
      for (const suite of [module, ...module.children.allSuites()]) {
        if (suite.errors().length === 0) continue;
        counts.failed += 1;
        lines.push(`failed: ${suite.type === 'module' ? file : `${file} > ${suite.fullName}`}: as a whole`);
      }
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        counts[state === 'pending' ? 'failed' : state] += 1;
        if (state === 'pending') lines.push(`failed: ${file} > ${test.fullName}: never ended`);
        if (state === 'skipped') lines.push(`skipped: ${file} > ${test.fullName}: ${reasonOf(test)}`);
      }
    }
    const last = `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
    // Other reporters print at the end too, and vitest itself when it closes: ours is the process's last act.
    process.once('exit', () => process.stdout.write(`${[...lines, last].join('\n')}\n`));
  }
}
