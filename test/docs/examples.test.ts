/**
 * Every example of the README and the documentation, as printed: from an empty folder, with the packages as npm would
 * publish them, a real engine, and registries of the names that the documents use.
 */
import { mkdir, mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { findEngine } from "../support/engine.ts";
import { ROOT } from "../support/programs.ts";
import { hasDaemonFolder } from "../support/second-daemon.ts";
import { type Command, examplesOf, isAsShown, type Step } from "./examples.ts";
import { GIVEN, PAGES, type Page, provideImages } from "./given.ts";
import { type Machine, startMachine } from "./machine.ts";

/** What cannot run here, and why: each of these blocks says so itself. A new one has to be added. */
const NOT_RUN: readonly string[] = [
  "docs/ci.md: needs a cluster with Tekton",
  "docs/diagnostics/ATTESTATION_DROPPED.md: cosign signs with keys and services of one's own",
  "docs/diagnostics/ATTESTATION_DROPPED.md: cosign signs with keys and services of one's own",
  "docs/diagnostics/BASE_ASSUMED.md: pulls from Docker Hub",
  "docs/diagnostics/RECORD_BROKEN.md: crane is not installed with initwrap",
  "docs/diagnostics/RUN_SKIPPED.md: app:1 is an image of several platforms",
  "docs/diagnostics/SIGNATURE_STALE.md: cosign signs with keys and services of one's own",
  "docs/diagnostics/SIGNATURE_STALE.md: cosign signs with keys and services of one's own",
  "docs/frontend.md: test/e2e/frontend-build.test.ts builds the frontend's image and uses it",
  "docs/frontend.md: needs Node.js and its libraries for both architectures",
  "docs/install.md: test/e2e/release.test.ts runs the program of a release",
  "docs/install.md: test/e2e/release.test.ts installs the package of a release",
  "docs/install.md: Homebrew is not to be had here",
  "docs/install.md: test/e2e/release.test.ts runs the image of a release",
  "docs/install.md: needs the image of a release",
  "docs/install.md: needs the files of a release",
  "docs/release.md: test/e2e/release.test.ts builds a release",
  "docs/run.md: app is an image of yours that has npm in it",
];

const FILES = [
  "README.md",
  "packages/cli/README.md",
  "packages/init-core/README.md",
  ...(await readdir(join(ROOT, "docs"), { recursive: true }))
    .filter((name) => name.endsWith(".md") && !name.startsWith("."))
    .map((name) => `docs/${name}`)
    .sort(),
];
const documents = await Promise.all(
  FILES.map(async (file) => {
    const steps = examplesOf(await readFile(join(ROOT, file), "utf8"));
    const page = PAGES[file.replace(/^docs\/|\.md$/g, "")];
    return { file, said: steps, steps: page ? stepsOfPage(page, steps) : steps };
  }),
);

/** The examples of a page that does not say what they take, each of them one by itself. */
function stepsOfPage(page: Page, steps: readonly Step[]): readonly Step[] {
  const given = (page.given ?? []).map((words) => ({ kind: "given", line: 1, words: words.split(" ") }) as const);
  const bare = (text: string): string => text.replace(/\s+# .*$/, "");
  const runs = steps.map((step) => {
    if (step.kind !== "run") return step;
    const commands = step.commands
      .filter(({ text }) => page.notRun?.[bare(text)] === undefined)
      .map((command) => ({ ...command, exit: page.exits?.[bare(command.text)] ?? command.exit }));
    return { ...step, fresh: true, commands };
  });
  return [...given, ...runs];
}

let machine: Machine | undefined;
const modern = findEngine("modern");
const possible = modern !== undefined && hasDaemonFolder(modern) && process.getuid?.() === 0;

/** Documents that wait for an engine's ten seconds: run while the others are. No other has their images and containers. */
const SLOW = ["docs/guide.md", "docs/pid-1.md"];
const early = new Map<string, Promise<readonly string[]>>();

beforeAll(async () => {
  if (!possible) return;
  machine = await startMachine(modern);
  await provideImages(machine, process.env["INITWRAP_TEST_BASE"] ?? "");
  for (const { file, steps } of documents) {
    if (SLOW.includes(file)) early.set(file, differences(machine, file, steps));
  }
});
afterAll(() => machine?.stop());

describe("an example", () => {
  const withExamples = documents.filter(({ steps }) =>
    steps.some((step) => step.kind === "run" && step.commands.length > 0),
  );
  it.for(withExamples)("of $file does what is printed", { timeout: 120_000 }, async ({ file, steps }, context) => {
    requireCapability(context, "an engine of up.sh and root", possible);
    expect(await (early.get(file) ?? differences(machine as Machine, file, steps))).toEqual([]);
  });
});

describe("the examples", () => {
  it("that are not run are these, each with its reason", () => {
    const found = documents.flatMap(({ file, said }) =>
      said.flatMap((step) => (step.kind === "no-run" ? [`${file}: ${step.reason}`] : [])),
    );
    expect(found).toEqual(NOT_RUN);
  });

  it("are all in blocks that say what they are", async () => {
    const hidden: string[] = [];
    for (const file of FILES.filter((name) => !name.startsWith("docs/commands/"))) {
      const text = await readFile(join(ROOT, file), "utf8");
      const outside = text.replace(/^\s*```[\s\S]*?^\s*```$/gm, (block) =>
        /^\s*```(\n|text)/.test(block) ? block.replace(/^.*\n/, "") : "",
      );
      for (const line of outside.split("\n"))
        if (/^( {4})?(\$ |npx |docker )/.test(line)) hidden.push(`${file}: ${line}`);
    }
    expect(hidden).toEqual([]);
  });
});

/** Runs a document's steps in a new folder, up to the first command that does something else; gives that. */
async function differences(machine: Machine, file: string, steps: readonly Step[]): Promise<readonly string[]> {
  const pages = join(machine.folder, "pages");
  await mkdir(pages, { recursive: true });
  const state = await mkdtemp(join(machine.folder, "state-"));
  const folder = await mkdtemp(join(pages, "page-"));
  const commands: Command[] = [];
  const script = [
    "set -o pipefail",
    // What a document installs globally is there for it alone.
    `export npm_config_prefix=${state}/global PATH=${state}/global/bin:$PATH`,
  ];
  for (const [index, step] of steps.entries()) {
    if (step.kind === "given") {
      const [what = "", name = ""] = step.words;
      const given = GIVEN[what];
      if (!given) throw new Error(`${file}:${step.line}: nothing is given by the name of ${what}`);
      script.push(`{ ${given(name)}; } >${state}/given 2>&1 || { cat ${state}/given; exit 1; }`);
    } else if (step.kind === "file") {
      await writeFile(join(state, `file-${index}`), step.text);
      script.push(`mkdir -p "$(dirname '${step.name}')" && cp ${state}/file-${index} '${step.name}'`);
    } else if (step.kind === "run") {
      if (step.fresh) script.push(`rm -rf ${state}/before && cp -a . ${state}/before`);
      for (const command of step.commands) {
        if (step.fresh) script.push(`find . -mindepth 1 -delete && cp -a ${state}/before/. .`);
        const number = commands.push(command) - 1;
        await writeFile(join(state, `command-${number}`), command.text);
        script.push(
          `eval "$(cat ${state}/command-${number})" >${state}/output-${number} 2>&1 </dev/null`,
          `code=$?; echo $code >${state}/exit-${number}; [ $code = ${command.exit} ] || exit 0`,
        );
      }
    }
  }
  await machine.bash(script.join("\n"), folder);
  const wrong: string[] = [];
  for (const [number, command] of commands.entries()) {
    const exit = await readFile(join(state, `exit-${number}`), "utf8").catch(() => undefined);
    if (exit === undefined) break;
    const output = (await readFile(join(state, `output-${number}`), "utf8")).replaceAll(`${folder}/`, "");
    const place = `${file}:${command.line}: $ ${command.text}`;
    if (Number(exit) !== command.exit)
      wrong.push(`${place}\nexit code ${exit.trim()}, not ${command.exit}:\n${output}`);
    else if (command.output !== undefined && !isAsShown(command.output, output)) {
      wrong.push(`${place}\nprints\n${output}\nand the document shows\n${command.output}`);
    }
  }
  return wrong;
}
