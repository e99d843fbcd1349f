/**
 * The init copied over the one that an image brings, under its path and with its options: everything that the image's users
 * see is as it was. Each case is run with the original first.
 */
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { type Engine, findEngine, requireEngine } from "../support/engine.ts";
import { BASE_IMAGE, freshTag, provideBaseImage } from "../support/images.ts";
import { INIT, program, requireInit, scratch, sleep, which } from "./harness.ts";

const ENGINE = "modern";
const original = freshTag("own-init");
const replaced = freshTag("replaced-init");
const containers: string[] = [];
let engine: Engine;
let built: Promise<unknown> | undefined;

async function build(): Promise<void> {
  await provideBaseImage(engine);
  const folder = scratch();
  for (const name of ["tini", "dumb-init", "catatonit"]) copyFileSync(which(name) ?? "", join(folder, name));
  copyFileSync(program("child"), join(folder, "child"));
  copyFileSync(INIT, join(folder, "initwrap"));
  const first = [
    `FROM ${BASE_IMAGE}`,
    "COPY tini /usr/sbin/",
    "COPY dumb-init catatonit /usr/bin/",
    "COPY child /",
    'ENTRYPOINT ["/sbin/tini", "--"]',
    'CMD ["/child", "exit", "7"]',
  ];
  const second = [
    `FROM ${original}`,
    "COPY initwrap /usr/sbin/tini",
    "COPY initwrap /usr/bin/dumb-init",
    "COPY initwrap /usr/bin/catatonit",
  ];
  for (const [tag, lines] of [
    [original, first],
    [replaced, second],
  ] as const) {
    writeFileSync(join(folder, "Dockerfile"), `${lines.join("\n")}\n`);
    await engine.docker(["build", "-q", "-t", tag, folder]);
  }
}

beforeEach(async (context) => {
  requireInit(context);
  engine = requireEngine(context, ENGINE);
  for (const name of ["tini", "dumb-init", "catatonit"]) requireCapability(context, name, which(name) !== undefined);
  built ??= build();
  await built;
});

afterAll(async () => {
  const left = findEngine(ENGINE);
  if (!left || !built) return;
  if (containers.length > 0) await left.docker(["rm", "--force", ...containers], { check: false });
  await left.docker(["rmi", "--force", replaced, original], { check: false });
});

async function run(image: string, entrypoint: readonly string[], ...command: string[]) {
  const [first = "", ...rest] = entrypoint;
  const args = ["run", "--rm", "--network=none", "--entrypoint", first, image, ...rest, ...command];
  return engine.docker(args, { check: false });
}

/** The exit code after `docker stop` of a command that has said that it is ready. */
async function stopped(image: string, entrypoint: readonly string[], ...command: string[]): Promise<number> {
  const [first = "", ...rest] = entrypoint;
  const args = ["run", "--detach", "--network=none", "--entrypoint", first, image, ...rest, ...command];
  const id = (await engine.docker(args)).stdout.trim();
  containers.push(id);
  for (let tries = 0; tries < 100 && !(await engine.docker(["logs", id])).stdout.includes("ready"); tries++)
    await sleep(50);
  await engine.docker(["stop", "--time", "60", id]);
  return Number((await engine.docker(["inspect", "--format", "{{.State.ExitCode}}", id])).stdout);
}

test("an image's ENTRYPOINT and CMD run as they were", async () => {
  for (const image of [original, replaced])
    expect((await engine.docker(["run", "--rm", "--network=none", image], { check: false })).status).toBe(7);
});

for (const [entrypoint, stops] of [
  [["/sbin/tini", "--"], { pause: 143 }],
  [["/sbin/tini", "-s", "-g", "-e", "143", "--"], { pause: 0, "shell-like": 33 }],
  [["/sbin/tini", "-p", "SIGTERM", "-w", "--"], { pause: 143 }],
  [["/usr/bin/dumb-init", "--"], { pause: 143, "shell-like": 33 }],
  [["/usr/bin/dumb-init", "--rewrite", "15:2", "--single-child", "--"], { pause: 130 }],
  [["/usr/bin/catatonit", "--"], { pause: 143 }],
  [["/usr/bin/catatonit", "-g", "--"], { pause: 143, "shell-like": 33 }],
] as const) {
  test(entrypoint.join(" "), async () => {
    const codes = async (image: string) => ({
      stops: Object.fromEntries(
        await Promise.all(
          Object.keys(stops).map(async (what) => [what, await stopped(image, entrypoint, "/child", what)]),
        ),
      ),
      exit: (await run(image, entrypoint, "/child", "exit", "9")).status,
      orphan: (await run(image, entrypoint, "/child", "orphan", "later")).status,
    });
    const [before, after] = await Promise.all([codes(original), codes(replaced)]);
    expect(before).toEqual({ stops, exit: 9, orphan: 0 });
    expect(after).toEqual(before);
    const missing = await Promise.all([original, replaced].map((image) => run(image, entrypoint, "/nonexistent")));
    const comparable = missing.map(({ status, stderr }) => [status, stderr.replace(/\b\d+\)/g, "PID)")]);
    expect(comparable[1]).toEqual(comparable[0]);
  });
}
