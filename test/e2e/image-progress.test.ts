/** What is shown while blobs move: on a real pseudo-terminal that script(1) opens, and where there is none. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ociLayoutMedium } from "../../packages/cli/src/store/oci-layout.ts";
import { sampleImage } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { CLI, initwrap } from "../support/cli.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { again, noise } from "../support/sample-image.ts";

const MB = 1_000_000;
const image = sampleImage({ layers: [noise("large", 12 * MB), noise("medium", 2 * MB)] });
const [large, medium] = image.blobs.map(({ descriptor }) => descriptor.digest.slice(7, 19)) as [string, string];
let folder: string;
let registry: TestRegistry;
let number = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-progress-"));
  if (!registryAvailable) return;
  registry = await startRegistry();
  const sink = await ociLayoutMedium.sink(join(folder, "layout"), { env: {}, names: ["docker.io/library/app:1"] });
  for (const { descriptor, bytes } of image.blobs) await sink.put(descriptor, again(bytes));
  await sink.commit(image.root);
  await sink.close();
});
afterAll(async () => {
  await registry?.stop();
  await rm(folder, { recursive: true });
});
beforeEach((context) => {
  requireCapability(context, "docker-registry", registryAvailable);
  requireCapability(context, "script", existsSync("/usr/bin/script"));
});

const plainEnv = {
  HOME: "/nonexistent",
  XDG_CONFIG_HOME: "",
  DOCKER_CONFIG: "",
  TERM: "xterm",
  NO_COLOR: undefined,
  CI: undefined,
};
/** Each run goes to a repository of its own, so that everything moves. */
const args = (): string[] => ["image", "oci:layout", "-o", `registry:${registry.host}/run${number++}:1`];

/** Everything that a run shows on a terminal of 100 columns; stdout is a file, so only stderr is the terminal's. */
async function onTerminal(words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const quoted = [process.execPath, CLI, ...words].map((word) => `'${word}'`).join(" ");
  const child = spawn(
    "script",
    ["-qec", `stty cols 100 rows 30; ${quoted} > '${join(folder, "stdout")}'`, "/dev/null"],
    { cwd: folder, env: { ...process.env, ...plainEnv, ...env }, stdio: ["ignore", "pipe", "inherit"] },
  );
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  expect(await new Promise((resolve) => child.on("close", resolve))).toBe(0);
  return text;
}

/** What a terminal shows in the end, given the two motions that are used: up by lines, and erase all below. */
function screen(text: string): string[] {
  const lines: string[] = [""];
  let row = 0;
  for (const [token] of text.matchAll(/\u001b\[(\d*)([A-Za-z])|\r?\n|[^\u001b\r\n]+/g)) {
    const [, count, motion] = /^\u001b\[(\d*)([A-Za-z])$/.exec(token) ?? [];
    if (motion === "A") row -= Number(count);
    else if (motion === "J") lines.length = row + 1;
    else if (motion === "m") continue;
    else if (motion !== undefined) throw new Error(`an unknown motion: ${motion}`);
    else if (token.endsWith("\n")) row++;
    else lines[row] = (lines[row] ?? "") + token;
    if (row < 0) throw new Error("above the first line");
    if (motion === "J") lines[row] = "";
  }
  return [...lines].map((line) => line ?? "");
}

describe("on a terminal", () => {
  it("each blob has a line that is redrawn, and the large one's stays", async () => {
    const text = await onTerminal(args());
    expect(text).toMatch(/\u001b\[\d+A\u001b\[J/);
    const drawn = (digest: string): number => text.split(digest).length - 1;
    expect(drawn(large)).toBeGreaterThan(1);
    expect(drawn(medium)).toBeGreaterThan(0);
    const shown = screen(text);
    expect(shown.filter((line) => line.includes("["))).toEqual(
      expect.arrayContaining([
        expect.stringMatching(new RegExp(`^${large} \\[={24}\\] 12\\.\\d/12\\.\\d MB 100%`)),
        expect.stringContaining('+ ENTRYPOINT ["/initwrap"'),
      ]),
    );
    // Those that were at work are gone when all is done.
    expect(shown.join("\n")).not.toContain(medium);
    expect(shown.join("\n")).not.toContain("=>");
  });

  it("it has colours, unless NO_COLOR says otherwise, and no line is wider than the screen", async () => {
    const bar = /\u001b\[36m \[=+/;
    expect(await onTerminal(args())).toMatch(bar);
    const plain = await onTerminal(args(), { NO_COLOR: "1" });
    expect(plain).not.toMatch(/\u001b\[\d*m/);
    expect(plain).toMatch(/\u001b\[\d+A/);
    for (const line of plain.replaceAll(/\u001b\[\d*[A-Z]/g, "\n").split(/\r?\n/)) {
      if (line.includes(" MB ")) expect(line.length).toBeLessThan(100);
    }
  });

  it.each([
    ["--progress plain", ["--progress", "plain"], {}],
    ["a terminal that knows nothing", [], { TERM: "dumb" }],
    ["a CI system that gives its jobs a terminal", [], { CI: "true" }],
  ] as const)("nothing moves under %s", async (_, flags, env) => {
    const text = await onTerminal([...args(), ...flags], { ...env, NO_COLOR: "1" });
    expect(text).not.toContain("\u001b");
    expect(text).toMatch(new RegExp(`^${large} 100% of 12\\.\\d MB\\r$`, "m"));
  });

  it.each([["--progress", "quiet"], ["--quiet"], ["--json"]])(
    "nothing is shown of the blobs under %s %s",
    async (...flags) => {
      expect(await onTerminal([...args(), ...flags])).not.toContain(large);
    },
  );

  it("the lines of a list stand above what moves", async () => {
    await writeFile(join(folder, "refs.txt"), "oci:layout\n");
    const shown = screen(
      await onTerminal(["image", "--from", "refs.txt", "-t", `${registry.host}/list/{{name}}:1`, "--push"]),
    );
    const line = shown.findIndex((text) => text.startsWith("[1/1] oci:layout -> "));
    expect(line).toBeGreaterThan(shown.findIndex((text) => text.startsWith(large)));
    expect(shown.slice(line).join("\n")).toContain("1 image: 1 wrapped");
  });
});

describe("without a terminal", () => {
  it("a large blob has plain lines, with colours only where they are forced, and never a motion", async () => {
    for (const env of [{}, { FORCE_COLOR: "1" }, { CI: "true" }]) {
      const { status, stderr } = await initwrap(args(), { cwd: folder, env: { ...plainEnv, ...env } });
      expect(status).toBe(0);
      expect(stderr).toMatch(new RegExp(`^${large} 100% of 12\\.\\d MB$`, "m"));
      expect(stderr).not.toContain(medium);
      expect(stderr).not.toMatch(/\u001b\[\d*[A-LN-Za-ln-z]/);
    }
  });

  it("--progress tty is refused", async () => {
    const { status, stderr } = await initwrap([...args(), "--progress", "tty"], { cwd: folder, env: plainEnv });
    expect([status, stderr]).toEqual([2, expect.stringContaining("standard error is no terminal")]);
  });
});
