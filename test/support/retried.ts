/** A reporter that names, at the end of a run, each test that passed only when it was run once more. */
import type { Reporter, TestModule } from "vitest/node";

export default class RetriedTests implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const module of modules) {
      for (const test of module.children.allTests("passed")) {
        if (test.diagnostic()?.flaky) process.stderr.write(`> PASSED ONLY WHEN RETRIED: ${test.fullName}\n`);
      }
    }
  }
}
