/**
 * The order of the test files: those that take longest begin first, so that in the end no worker waits for another's long file.
 *
 * Vitest remembers how long files took, but a fresh checkout has no memory, and it would go by their sizes: a short file that
 * builds some hundred images would come last.
 */
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files of half a minute and more on two processors, the longest first. */
const LONGEST = [
  "e2e/frontend-build",
  "e2e/dockerfile-real",
  "e2e/image-pairs",
  "e2e/release",
  "e2e/registry-faults",
  "contract/registry-faults",
  "docs/site",
  "e2e/verify-engines",
  "docs/examples",
  "init/peers-suites",
  "e2e/remote-engines",
  "e2e/probe",
  "init/analysis",
  "e2e/generate-build",
  "e2e/ci-containers",
  "e2e/packages",
  "unit/image/splice",
  "unit/frontend/build",
  "e2e/ci",
  "e2e/frontend-farm",
  "e2e/behaviour",
];

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const found = LONGEST.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
      return found === -1 ? LONGEST.length : found;
    };
    const group = ({ project }: TestSpecification): number => project.config.sequence.groupOrder;
    return (await super.sort(files)).toSorted((a, b) => group(a) - group(b) || rank(a) - rank(b));
  }
}
