/**
 * Which calls run an image's code: `probe` and `verify --run`, and no other, whatever it is asked for. What each asks of an engine
 * goes through a proxy that notes it; nothing runs in a container that nobody starts.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { initwrap, initwrapOk } from "../support/cli.ts";
import { type Engine, requireEngine } from "../support/engine.ts";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { buildContext, freshTag, removeContext } from "../support/images.ts";
import { compileProgram } from "../support/programs.ts";

/** How an engine is asked to run something: a container, or a program in one. */
const RUNS = /^POST (?:\/v[\d.]+)?\/(?:containers\/[^/]+\/(?:start|restart)|exec\/[^/]+\/start|build)$/;

let folder: string;
let proxy: FaultProxy | undefined;
let engine: Engine;
const image = freshTag("runs");
const wrapped = `${image}-wrapped`;

beforeAll(async () => {
  engine = requireEngine({ skip: () => undefined } as never);
  folder = await mkdtemp(join(tmpdir(), "initwrap-runs-"));
  // Without a digest of what is in its root, so that it has to be looked into.
  const dockerfile = `FROM scratch\nCOPY handler /handler\nLABEL test=${image}\nENTRYPOINT ["/handler"]\n`;
  const built = await buildContext(dockerfile, [await compileProgram("handler")]);
  await engine.docker(["build", "--quiet", "--tag", image, built]);
  await removeContext(built);
  await writeFile(join(folder, "Dockerfile"), `FROM ${image}\n`);
  await writeFile(join(folder, "list"), `docker:${image}\n`);
  proxy = await startFaultProxy(engine.host);
}, 120_000);
afterAll(async () => {
  await proxy?.stop();
  await engine.docker(["rmi", "--force", image, wrapped, `${image}-list`], { check: false });
  await rm(folder, { recursive: true });
});

/** What a call asks the engine to run. It has asked for something, or this says nothing. */
async function runsOf(args: readonly string[], call: typeof initwrap = initwrapOk): Promise<readonly string[]> {
  const { host, requests } = proxy as FaultProxy;
  requests.length = 0;
  await call(args, { cwd: folder, env: { ...engine.env, DOCKER_HOST: `tcp://${host}` } });
  expect(requests).not.toEqual([]);
  return requests.filter((one) => RUNS.test(one));
}

describe("an image's code", () => {
  it.each([
    [["inspect", image]],
    [["inspect", "Dockerfile"]],
    [["dockerfile"]],
    [["dockerfile", "--lock", "-w"]],
    [["image", image, "--dry-run"]],
    [["image", image, "-t", wrapped, "--verify-path"]],
    [["image", image, "-o", "wrapped.tar", "--verify-path"]],
    [["image", "--from", "list", "-t", "{{repository}}:{{tag}}-list"]],
    [["verify", wrapped]],
    [["image", wrapped]],
  ])("is not run by %j", async (args) => {
    expect(await runsOf(args)).toEqual([]);
  });

  it.each([[["verify", wrapped, "--run"]], [["probe", wrapped, "--grace", "1", "--delay", "0.2"]]])(
    "is run by %j",
    { timeout: 60_000 },
    async (args) => {
      // How it ends is a test of the command: the proxy closes connections that probe would use again.
      expect((await runsOf(args, initwrap)).length).toBeGreaterThan(0);
    },
  );
});
