/** What becomes of a run that nobody listens to any more: its work is done, and its exit code says how it went. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { legacyArchive, sampleImage, tarOf } from "../contract/sample-image.ts";
import { CLI, initwrapOk } from "../support/cli.ts";

let folder: string;
let wrapped: Buffer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "initwrap-closed-"));
  const tars = [tarOf([["file-0", "hello\n"]]), tarOf([["file-1", "world\n"]])];
  writeFileSync(join(folder, "good.tar"), legacyArchive(sampleImage(), ["sample:1"], tars));
  writeFileSync(join(folder, "refs.txt"), "good.tar\nnosuch.tar\n");
  await initwrapOk(["image", "good.tar", "-o", "wrapped.tar"], { cwd: folder });
  wrapped = readFileSync(join(folder, "wrapped.tar"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The exit code of a run whose words go nowhere: `stderr` is a redirection, or "| true", whose end has been closed before. */
async function unheard(args: readonly string[], stderr: string): Promise<number> {
  const [before, after] = stderr === "| true" ? ["sleep 0.3; ", " 2>&1 >/dev/null"] : ["", ` >/dev/null ${stderr}`];
  const script = `{ ${before}"$@"${after}; echo $? >status; } ${stderr === "| true" ? stderr : ""}`;
  const child = spawn("bash", ["-c", script, "bash", process.execPath, CLI, ...args], { cwd: folder, stdio: "ignore" });
  await once(child, "close");
  return Number(readFileSync(join(folder, "status"), "utf8"));
}

describe("without anybody at stderr", () => {
  it.each(["| true", "2>/dev/full", "2>&-"])("a run does its work: %s", async (stderr) => {
    expect(await unheard(["image", "good.tar", "-o", "unheard.tar"], stderr)).toBe(0);
    expect(readFileSync(join(folder, "unheard.tar")).equals(wrapped)).toBe(true);
    rmSync(join(folder, "unheard.tar"));
  });

  it.each(["| true", "2>/dev/full"])("a failure is one by its exit code: %s", async (stderr) => {
    expect(await unheard(["image", "nosuch.tar"], stderr)).toBe(3);
    expect(await unheard(["image", "good.tar", "--check"], stderr)).toBe(1);
    expect(await unheard(["image", "--from", "refs.txt", "-o", "oci:listed:{{name}}"], stderr)).toBe(3);
  });
});
