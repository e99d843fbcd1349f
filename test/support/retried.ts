/** A reporter that names, at the end of a run, each test that passed only when it was run once more, and says what it failed with. */
import type { Reporter, TestModule } from "vitest/node";

export default class RetriedTests implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const module of modules) {
      for (const test of module.children.allTests("passed")) {
        if (!test.diagnostic()?.flaky) continue;
        process.stderr.write(`> PASSED ONLY WHEN RETRIED: ${test.fullName}\n`);
        for (const { message, diff, stacks } of test.result().errors ?? []) {
          const at = stacks?.map(({ file, line }) => `${file}:${line}`) ?? [];
          const lines = [message, diff ?? "", ...at].join("\n").trim().split("\n").slice(0, 40);
          for (const line of lines) process.stderr.write(`    ${line}\n`);
        }
      }
    }
  }
}
