/** The benchmark of images as a trial: every program does the job, and makes the image that was asked for. Nothing is judged. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { registryAvailable } from "../support/registry.ts";

const ROOT = join(import.meta.dirname, "../..");
const run = promisify(execFile);

interface Report {
  readonly rows: readonly {
    readonly program: string;
    readonly seconds?: number;
    readonly bytes?: number;
    readonly note?: string;
  }[];
}

test("wrapping in a registry is measured beside programs that make the same image", {
  timeout: 600_000,
}, async (context) => {
  requireCapability(context, "root", process.getuid?.() === 0);
  requireCapability(context, "docker-registry", registryAvailable);
  requireCapability(context, "busybox", ["/bin/busybox", "/usr/bin/busybox"].some(existsSync));
  const bench = join(ROOT, "test/bench/image.mjs");
  const { stdout } = await run(process.execPath, [bench, "--small", "--only", "registry", "--json", "--check"]);
  const { rows } = JSON.parse(stdout) as Report;
  expect(rows.length).toBeGreaterThan(5);
  const [ours] = rows;
  expect(ours?.program).toBe("initwrap");
  expect(ours?.seconds).toBeGreaterThan(0);
  // Kilobytes, of an image of 30 MB.
  expect(ours?.bytes).toBeGreaterThan(10_000);
  expect(ours?.bytes).toBeLessThan(100_000);
  const failed = rows.filter(({ note }) => note !== undefined && !note.includes("is not installed"));
  expect(failed).toEqual([]);
});

test("the documented table has every situation and program", () => {
  const page = readFileSync(join(ROOT, "docs/benchmarks.md"), "utf8");
  const table = /<!-- bench:image -->([\s\S]*)<!-- \/bench:image -->/.exec(page)?.[1] ?? "";
  const sources = ["archive", "registry", "engine"].map((name) =>
    readFileSync(join(ROOT, `test/bench/image-${name}.mjs`), "utf8"),
  );
  const programs = sources.flatMap((text) => [...text.matchAll(/program: "([^"]+)"/g)].map(([, program]) => program));
  expect(programs.length).toBeGreaterThan(12);
  for (const program of programs) expect(table).toContain(`| ${program} | `);
});
