/**
 * The promise, end to end: real images on real engines, each run as it was and wrapped, through both the Dockerfile and the
 * image path.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { initwrapOk } from "../support/cli.ts";
import { type Engine, type EngineName, findEngine, requireEngine } from "../support/engine.ts";
import {
  BASE_IMAGE,
  buildContext,
  countZombies,
  freshTag,
  provideBaseImage,
  removeContext,
  runContainer,
  startUntilReady,
  stopContainer,
} from "../support/images.ts";
import { compileProgram, scriptProgram } from "../support/programs.ts";

type Path = "dockerfile" | "image";

interface Pair {
  readonly before: string;
  readonly after: string;
}

const PATHS: readonly (readonly [EngineName, Path])[] = [
  ["modern", "dockerfile"],
  ["modern", "image"],
  ["modern-graph", "image"],
  ["classic", "dockerfile"],
  ["classic", "image"],
];

let programs: Record<"handler" | "spawner" | "say", string>;
beforeAll(async () => {
  const [handler, spawner, say] = await Promise.all(["handler", "spawner", "say"].map(compileProgram));
  programs = { handler: handler!, spawner: spawner!, say: say! };
});

describe.each(PATHS)("on the %s engine, by initwrap %s", (name, path) => {
  const images: string[] = [];
  const containers: string[] = [];
  const contexts: string[] = [];

  afterAll(async () => {
    const engine = findEngine(name);
    if (engine && containers.length > 0) await engine.docker(["rm", "-f", ...containers], { check: false });
    if (engine && images.length > 0) await engine.docker(["rmi", "-f", ...images], { check: false });
    await Promise.all(contexts.map(removeContext));
  });

  /** Builds `dockerfile` as it is and wrapped. */
  async function pairOf(engine: Engine, dockerfile: string, files: readonly string[]): Promise<Pair> {
    if (dockerfile.includes(BASE_IMAGE)) await provideBaseImage(engine);
    const context = await buildContext(dockerfile, files);
    contexts.push(context);
    const pair = { before: freshTag("before"), after: freshTag("after") };
    images.push(pair.before, pair.after);
    const options = { cwd: context, env: engine.env };
    await engine.docker(["build", "-q", "-t", pair.before, "."], { cwd: context });
    if (path === "image") {
      await initwrapOk(["image", pair.before, "-t", pair.after], options);
    } else if (name === "classic") {
      // The classic builder knows neither heredocs nor --chmod: the init comes from the context.
      await initwrapOk(
        ["dockerfile", "Dockerfile", "-w", "--inject", "context", "--platform", `linux/${goArch()}`],
        options,
      );
      await engine.docker(["build", "-q", "-t", pair.after, "."], { cwd: context, env: { DOCKER_BUILDKIT: "0" } });
    } else {
      const wrapped = await initwrapOk(["dockerfile", "Dockerfile"], options);
      await engine.docker(["build", "-q", "-t", pair.after, "-f", "-", "."], { cwd: context, input: wrapped.stdout });
    }
    return pair;
  }

  async function stop(engine: Engine, image: string, args: readonly string[] = []) {
    const id = await startUntilReady(engine, image, args);
    containers.push(id);
    return stopContainer(engine, id, 3);
  }

  async function output(engine: Engine, image: string, args: readonly string[] = []): Promise<string> {
    return (await runContainer(engine, image, args)).stdout;
  }

  it("a program without a signal handler stops at once instead of being killed", async (context) => {
    const engine = requireEngine(context, name);
    const pair = await pairOf(engine, `FROM ${BASE_IMAGE}\nCOPY sleeper.py /app.py\nCMD ["python3", "/app.py"]\n`, [
      scriptProgram("sleeper.py"),
    ]);
    const before = await stop(engine, pair.before);
    const after = await stop(engine, pair.after);
    expect(before.exitCode).toBe(137);
    expect(before.milliseconds).toBeGreaterThan(2900);
    expect(after.exitCode).toBe(143);
    expect(after.milliseconds).toBeLessThan(500);
  });

  it("a program with its own handler ends as it did", async (context) => {
    const engine = requireEngine(context, name);
    const pair = await pairOf(engine, 'FROM scratch\nCOPY handler /handler\nENTRYPOINT ["/handler"]\n', [
      programs.handler,
    ]);
    const before = await stop(engine, pair.before);
    const after = await stop(engine, pair.after);
    expect([before.exitCode, before.output]).toEqual([7, "ready\ngoodbye\n"]);
    expect([after.exitCode, after.output]).toEqual([7, "ready\ngoodbye\n"]);
  });

  it("orphans are reaped, in whatever order parents and children die", async (context) => {
    const engine = requireEngine(context, name);
    const pair = await pairOf(engine, 'FROM scratch\nCOPY spawner /spawner\nENTRYPOINT ["/spawner"]\nCMD ["10"]\n', [
      programs.spawner,
    ]);
    const zombies = async (image: string) => {
      const id = await startUntilReady(engine, image);
      containers.push(id);
      return countZombies(engine, id);
    };
    expect(await zombies(pair.before)).toBe(10);
    expect(await zombies(pair.after)).toBe(0);
  });

  it("a shell-form CMD that runs more than one program stops at once", async (context) => {
    const engine = requireEngine(context, name);
    const pair = await pairOf(
      engine,
      `FROM ${BASE_IMAGE}\nCOPY sleeper.py /app.py\nCMD python3 /app.py; echo ended\n`,
      [scriptProgram("sleeper.py")],
    );
    expect((await stop(engine, pair.before)).exitCode).toBe(137);
    const after = await stop(engine, pair.after);
    expect(after.exitCode).toBe(143);
    expect(after.milliseconds).toBeLessThan(500);
  });

  it("ENTRYPOINT, CMD and the arguments of docker run reach the program unchanged", async (context) => {
    const engine = requireEngine(context, name);
    const pair = await pairOf(
      engine,
      'FROM scratch\nCOPY say /say\nENTRYPOINT ["/say", "a b", "$HOME"]\nCMD ["--flag", "ü"]\n',
      [programs.say],
    );
    for (const args of [[], ["x", "--", "-v"]]) {
      expect(await output(engine, pair.after, args)).toBe(await output(engine, pair.before, args));
    }
    expect(await output(engine, pair.after)).toContain("argv[1]=a b\nargv[2]=$HOME\nargv[3]=--flag\nargv[4]=ü\n");
  });

  it("an ENTRYPOINT inherited from the base image stays in front of CMD", async (context) => {
    const engine = requireEngine(context, name);
    const base = freshTag("base");
    images.push(base);
    const folder = await buildContext('FROM scratch\nCOPY say /say\nENTRYPOINT ["/say", "base"]\n', [programs.say]);
    contexts.push(folder);
    await engine.docker(["build", "-q", "-t", base, "."], { cwd: folder });
    const pair = await pairOf(engine, `FROM ${base}\nCMD ["mine"]\n`, []);
    expect(await output(engine, pair.after)).toBe(await output(engine, pair.before));
    expect(await output(engine, pair.after)).toContain("argv[1]=base\nargv[2]=mine\n");
  });

  it("works for a USER that is not root", async (context) => {
    const engine = requireEngine(context, name);
    const pair = await pairOf(engine, 'FROM scratch\nCOPY say /say\nUSER 1234:1234\nENTRYPOINT ["/say"]\n', [
      programs.say,
    ]);
    expect(await output(engine, pair.after)).toBe("uid 1234\nargv[0]=/say\n");
  });

  it("a usr-merged image keeps all of /sbin", async (context) => {
    const engine = requireEngine(context, name);
    const pair = await pairOf(engine, `FROM ${BASE_IMAGE}\nENTRYPOINT ["/bin/sh", "-c"]\n`, []);
    const script = [
      "readlink /sbin; ls /sbin | wc -l; ls -ln / | grep -v initwrap | awk '{print $1, $NF}' | grep -v total",
    ];
    const before = await output(engine, pair.before, script);
    expect(before.startsWith("usr/sbin\n")).toBe(true);
    expect(await output(engine, pair.after, script)).toBe(before);
  });
});

function goArch(): string {
  return process.arch === "arm64" ? "arm64" : "amd64";
}
