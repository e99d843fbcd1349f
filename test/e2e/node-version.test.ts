/** A Node.js that is too old is told so before anything is done, instead of by what it lacks in the middle of it. */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CLI } from "../support/cli.ts";
import { outcomeOf } from "../support/outcome.ts";
import { ROOT } from "../support/programs.ts";

let folder: string;
let oldest: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-node-"));
  const { engines } = JSON.parse(await readFile(join(ROOT, "packages/cli/package.json"), "utf8"));
  oldest = engines.node.replace(/^>=/, "");
});
afterAll(() => rm(folder, { recursive: true }));

/** A run under the Node.js at hand, which says that it is another version. */
async function under(version: string, ...args: readonly string[]) {
  const claim = join(folder, `${version}.cjs`);
  await writeFile(
    claim,
    `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } });`,
  );
  return outcomeOf(spawn(process.execPath, ["--require", claim, CLI, ...args], { stdio: ["ignore", "pipe", "pipe"] }));
}

describe("a Node.js older than the package's engines", () => {
  it("is refused by every command and by the help, with what is needed", async () => {
    const [major, minor] = oldest.split(".").map(Number) as [number, number];
    const calls = [
      ["14.21.3", ["image", "app:1"]],
      ["20.20.2", ["dockerfile", "--help"]],
      [`${major - 1}.99.0`, []],
      [`${major}.${minor - 1}.9`, ["verify", "app:1"]],
    ] as const;
    for (const [version, args] of calls) {
      const { status, stdout, stderr } = await under(version, ...args);
      expect([status, stdout], version).toEqual([3, ""]);
      expect(stderr).toContain(`error[NODE_TOO_OLD]: initwrap needs Node.js ${oldest} or later; this is ${version}\n`);
    }
  });

  it("is told to programs as any error is, and ends run as what is not the command's doing", async () => {
    const json = await under("20.20.2", "image", "app:1", "--json");
    expect([json.status, JSON.parse(json.stdout).error.code]).toEqual([3, "NODE_TOO_OLD"]);
    const run = await under("20.20.2", "run", "--", "true");
    expect([run.status, run.stderr]).toEqual([125, expect.stringContaining("error[RUN_UNSUPPORTED]")]);
  });

  it("still says which version of initwrap it is", async () => {
    const { status, stdout } = await under("20.20.2", "--version");
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^initwrap\/\d/)]);
  });

  it("is not one that is just new enough", async () => {
    for (const version of [`${oldest}.0`, "23.0.0", "100.0.0"]) {
      expect((await under(version, "image", "--help")).status, version).toBe(0);
    }
  });
});
