/** An image that an engine pushed is wrapped in the registry, and pulled and run by the engine again. */
import { afterAll, describe, expect, it } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { initwrap, initwrapOk } from "../support/cli.ts";
import { requireEngine } from "../support/engine.ts";
import { buildContext, removeContext, runContainer } from "../support/images.ts";
import { compileProgram } from "../support/programs.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";

let registry: TestRegistry | undefined;
const contexts: string[] = [];
afterAll(async () => {
  await registry?.stop();
  await Promise.all(contexts.map(removeContext));
});

describe("an image that an engine pushed", () => {
  it("runs behind the init after it was wrapped in the registry, with its arguments and its user", async (context) => {
    const engine = requireEngine(context);
    requireCapability(context, "docker-registry", registryAvailable);
    registry = await startRegistry();
    const folder = await buildContext(
      'FROM scratch\nCOPY say /say\nUSER 1000\nENTRYPOINT ["/say", "always"]\nCMD ["by default"]\n',
      [await compileProgram("say")],
    );
    contexts.push(folder);
    const [before, after] = [`${registry.host}/team/say:1`, `${registry.host}/team/say:init`];
    await engine.docker(["build", "-t", before, "."], { cwd: folder });
    await engine.docker(["push", before]);
    const { stdout, stderr } = await initwrapOk(["image", `registry:${before}`, "-t", after], { env: engine.env });
    expect(stdout.toString()).toMatch(new RegExp(`^${after}@sha256:[0-9a-f]{64}\\n$`));
    expect(stderr).not.toMatch(/error/i);
    const digest = stdout.toString().trim().split("@")[1]!;
    try {
      await engine.docker(["pull", `${registry.host}/team/say@${digest}`]);
      await engine.docker(["pull", after]);
      for (const args of [[], ["of my own", "-x"]]) {
        const [plain, wrapped] = await Promise.all([before, after].map((image) => runContainer(engine, image, args)));
        expect(wrapped!.stdout).toBe(plain!.stdout);
        expect(wrapped!.stdout).toContain("uid 1000\n");
      }
      const inspected = JSON.parse((await engine.docker(["inspect", after])).stdout);
      expect(inspected[0].Config.Entrypoint).toEqual(["/initwrap", "--", "/say", "always"]);
    } finally {
      await engine.docker(["rmi", "-f", before, after], { check: false });
    }
  });

  it("is copied by its init image into a build", async (context) => {
    const engine = requireEngine(context);
    requireCapability(context, "docker-registry", registryAvailable);
    registry ??= await startRegistry();
    const pushed = await initwrapOk(["init-image", "--push", `${registry.host}/tools/init:1`], { env: engine.env });
    const place = pushed.stdout.toString().trim();
    expect(place).toMatch(/@sha256:[0-9a-f]{64}$/);
    const folder = await buildContext(
      `FROM scratch\nCOPY --from=${place} /initwrap /initwrap\nCOPY say /say\nENTRYPOINT ["/initwrap", "--", "/say"]\n`,
      [await compileProgram("say")],
    );
    contexts.push(folder);
    const image = `${registry.host}/team/built:1`;
    try {
      await engine.docker(["build", "-t", image, "."], { cwd: folder });
      const { stdout } = await runContainer(engine, image, ["hello"]);
      expect(stdout).toContain("argv[1]=hello");
    } finally {
      await engine.docker(["rmi", "-f", image], { check: false });
    }
  });

  it("that is not there, or a registry that is not, ends with a code and without a stack", async (context) => {
    requireCapability(context, "docker-registry", registryAvailable);
    registry ??= await startRegistry();
    const missing = await initwrap(["image", `registry:${registry.host}/team/none:1`, "--dry-run"]);
    expect([missing.status, missing.stderr]).toEqual([3, expect.stringContaining("IMAGE_NOT_FOUND")]);
    const absent = await initwrap(["image", "registry:127.0.0.1:1/team/none:1", "--dry-run"]);
    expect([absent.status, absent.stderr]).toEqual([6, expect.stringContaining("refused the connection")]);
    for (const { stderr } of [missing, absent]) expect(stderr).not.toMatch(/\n\s+at /);
  });
});
