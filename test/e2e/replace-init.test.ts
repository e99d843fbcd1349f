/**
 * Images that start with a real tini, dumb-init or catatonit, before and after --replace-init: the same program gets the same
 * signals and the container ends with the same status.
 */
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { initwrapOk } from "../support/cli.ts";
import { findEngine, requireEngine } from "../support/engine.ts";
import {
  BASE_IMAGE,
  buildContext,
  freshTag,
  provideBaseImage,
  removeContext,
  startUntilReady,
} from "../support/images.ts";

const PROGRAMS = ["/usr/bin/tini", "/usr/bin/tini-static", "/usr/bin/dumb-init", "/usr/bin/catatonit"];

/** A shell with a child in its process group; each says which signals it gets. On TERM the shell ends with 7, on INT with 8. */
const SCRIPT = `trap 'echo parent TERM; sleep 1; exit 7' TERM
trap 'echo parent INT; sleep 1; exit 8' INT
bash -c 'trap "echo child TERM; exit 0" TERM; trap "echo child INT; exit 0" INT; echo ready; while :; do sleep 0.05; done' &
wait
wait
`;

const MATRIX: readonly (readonly [entrypoint: readonly string[], options: readonly string[]])[] = [
  [["tini", "--"], ["--no-group"]],
  [["tini-static", "-g", "--"], ["-g"]],
  [
    ["tini", "-g", "-e", "7", "--"],
    ["-g", "--exit-map=7"],
  ],
  [["dumb-init", "--"], ["-g"]],
  [["dumb-init", "-c"], ["--no-group"]],
  [
    ["dumb-init", "-r", "15:2"],
    ["-g", "--rewrite=15:2"],
  ],
  [["catatonit", "--"], ["--no-group"]],
  [["catatonit", "-g", "--"], ["-g"]],
];

beforeAll(async () => {
  const engine = findEngine("modern");
  if (engine) await provideBaseImage(engine);
}, 300_000);

describe("replaced, it does what it did:", () => {
  it.for(MATRIX)("%j", { timeout: 120_000 }, async ([words, options], test) => {
    const engine = requireEngine(test);
    const missing = PROGRAMS.find((program) => !existsSync(program));
    requireCapability(test, missing ?? "inits", missing === undefined);
    const entrypoint = [...words, "bash", "/run.sh"];
    const dockerfile = `FROM ${BASE_IMAGE}\nCOPY tini tini-static dumb-init catatonit /usr/bin/\nCOPY run.sh /run.sh\nENTRYPOINT ${JSON.stringify(entrypoint)}\nCMD ["x"]\n`;
    const context = await buildContext(dockerfile, PROGRAMS);
    await writeFile(join(context, "run.sh"), SCRIPT);
    const [before, after, byImage] = [freshTag("replace"), freshTag("replace"), freshTag("replace")];
    try {
      await engine.docker(["build", "-q", "-t", before, context]);
      await initwrapOk(["dockerfile", "-w", "--replace-init", "--platform", "linux/amd64"], { cwd: context });
      await engine.docker(["build", "-q", "-t", after, context]);
      await initwrapOk(["image", before, "-t", byImage, "--replace-init"], { env: engine.env });
      const expected = ["/initwrap", ...options, "--", "bash", "/run.sh"];
      const behaviours: unknown[] = [];
      for (const image of [before, after, byImage]) {
        const config = JSON.parse((await engine.docker(["inspect", "-f", "{{json .Config}}", image])).stdout);
        expect(config.Entrypoint).toEqual(image === before ? entrypoint : expected);
        expect(config.Cmd).toEqual(["x"]);
        behaviours.push(await behaviourOf(engine, image));
      }
      expect(behaviours[1]).toEqual(behaviours[0]);
      expect(behaviours[2]).toEqual(behaviours[0]);
      await initwrapOk(["dockerfile", "-w", "--undo"], { cwd: context });
      expect(await readFile(join(context, "Dockerfile"), "utf8")).toBe(dockerfile);
    } finally {
      await engine.docker(["image", "rm", "-f", before, after, byImage], { check: false });
      await rm(join(context, ".initwrap"), { recursive: true, force: true });
      await removeContext(context);
    }
  });
});

/** What TERM to the container brings about: who got which signal, and the status in the end. */
async function behaviourOf(engine: NonNullable<ReturnType<typeof findEngine>>, image: string): Promise<unknown> {
  const id = await startUntilReady(engine, image);
  try {
    await engine.docker(["kill", "--signal", "TERM", id]);
    const { stdout: status } = await engine.docker(["wait", id]);
    const { stdout: log } = await engine.docker(["logs", id]);
    return { status: status.trim(), parent: /parent \w+/.exec(log)?.[0], child: /child \w+/.exec(log)?.[0] };
  } finally {
    await engine.docker(["rm", "-f", id], { check: false });
  }
}
