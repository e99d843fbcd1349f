/** `npm start`: what a newcomer types first. */
import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { ROOT } from "../support/programs.ts";

const start = (...args: string[]) =>
  promisify(execFile)(process.execPath, [join(ROOT, "scripts/start.mjs"), ...args], { cwd: ROOT });

describe("npm start", () => {
  it("wraps the sample Dockerfile and the sample archive", async () => {
    const { stdout, stderr } = await start();
    expect(stdout).toContain('+ENTRYPOINT ["/initwrap", "--", "docker-entrypoint.sh"]');
    expect(stderr).toContain('+ ENTRYPOINT ["/initwrap","--","/app"] CMD ["--port","8080"]');
    expect(stdout).toMatch(/\nexample\/app:1@sha256:[0-9a-f]{64}\n$/);
    expect((await stat(join(ROOT, ".cache/start/app-wrapped.tar"))).size).toBeGreaterThan(10_000);
  });

  it("with arguments is the CLI itself, with its exit code", async () => {
    expect((await start("--version")).stdout).toMatch(/^initwrap\/\d/);
    await expect(start("dockerfile", "--nope")).rejects.toMatchObject({ code: 2 });
  });
});
