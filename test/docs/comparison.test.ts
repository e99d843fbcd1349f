/**
 * What docs/comparison.md says of others, of those that can be had: the inits of Debian, `docker run --init`, crane, and
 * containers that share a PID namespace. A statement that changes there has to change here.
 */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RegistrySession } from "../../packages/cli/src/store/registry/session.ts";
import { initPlatforms } from "../../packages/init-core/lib/index.ts";
import { type SampleImage, sampleImage } from "../contract/sample-image.ts";
import { behaviourGroups } from "../init/behaviours/all.ts";
import { Subject } from "../init/behaviours/behaviour.ts";
import { INIT, requireInit, which } from "../init/harness.ts";
import { fails, OURS, PEERS, readTable, waysOf } from "../init/matrix.ts";
import { requireCapability } from "../support/capability.ts";
import { initwrapOk } from "../support/cli.ts";
import { type Engine, findEngine, requireEngine } from "../support/engine.ts";
import { configByCrane, hasCrane, manifestByCrane, mutateByCrane } from "../support/image-readers.ts";
import {
  BASE_IMAGE,
  buildContext,
  countZombies,
  freshTag,
  provideBaseImage,
  removeContext,
  startUntilReady,
  stopContainer,
} from "../support/images.ts";
import { compileProgram, ROOT, scriptProgram } from "../support/programs.ts";
import { registryAvailable, startRegistry } from "../support/registry.ts";
import { putImage } from "../support/registry-image.ts";
import { twoPlatforms } from "../support/two-platforms.ts";

const run = promisify(execFile);
const PAGE = await readFile(join(ROOT, "docs/comparison.md"), "utf8");
const NAMES = [OURS, "tini", "dumb-init", "catatonit"] as const;

/** The cells of a row of the page's first table, by the inits' names. */
function row(title: string): Readonly<Record<(typeof NAMES)[number], string>> {
  const line = PAGE.split("\n").find((one) => one.startsWith(`| ${title} |`));
  const cells = (line ?? "").split("|").slice(2, 6);
  expect(cells, title).toHaveLength(4);
  return Object.fromEntries(NAMES.map((name, at) => [name, cells[at]!.trim()])) as ReturnType<typeof row>;
}

describe("of the inits,", () => {
  const files: Readonly<Record<string, string>> = {
    [OURS]: INIT,
    ...Object.fromEntries(PEERS.map((name) => [name, which(name) ?? ""])),
  };
  const behaviour = (title: string) => {
    const found = behaviourGroups.flatMap((group) => group.behaviours).find((one) => one.title === title);
    if (found === undefined) throw new Error(`there is no behaviour ${title}`);
    return found;
  };

  /** Whether the init has the behaviour now, in any of the ways that it has for it. */
  const has = async (title: string, name: string, expected: boolean): Promise<boolean> => {
    const one = behaviour(title);
    for (const { options, variables } of waysOf(one, name)) {
      // What is expected may be late on a busy machine; what is not would have to come by mistake.
      for (let tries = 0; tries < (expected ? 2 : 1); tries++) {
        const init = new Subject(files[name] as string, options, variables);
        if ((await fails(one, init, (expected ? 3 : 1) * (one.limit ?? 3))) === undefined) return true;
      }
    }
    return false;
  };

  /** The row says "yes" or names the options where an init has all of these, else what `without` is. */
  const says = async (title: string, behaviours: readonly string[], without: string) => {
    const { rows, names } = readTable();
    const cells = row(title);
    for (const name of NAMES) {
      const column = names.indexOf(name);
      const inTable = behaviours.every((one) => rows.get(one)?.[column] !== "no");
      expect([name, cells[name] !== without], title).toEqual([name, inTable]);
    }
    await Promise.all(
      NAMES.map(async (name) => {
        const expected = cells[name] !== without;
        const found = await Promise.all(behaviours.map((one) => has(one, name, expected)));
        expect([name, title, ...found]).toEqual([name, title, ...behaviours.map(() => expected)]);
      }),
    );
  };

  it.each([
    [
      "forwards signals, reaps orphans, passes the exit code on",
      ["every ordinary signal is forwarded", "one that dies later", "128 + n when signal n ended it"],
      "no",
    ],
    ["`TERM` at any moment of its start", ["`TERM` right after the init's first system call"], "can be lost"],
    [
      "ends a whole tree, with a deadline",
      [
        "what ignores it is killed after the grace; the command's code is kept",
        "what the command leaves in a session of its own gets `TERM` and is waited for",
      ],
      "no",
    ],
    [
      "signals in stages, delays, reports",
      [
        "one `TERM` becomes stages at their times, the last of them `KILL`",
        "`TERM` can be held back while endpoints are withdrawn",
        "a report of the end: code, signal, signals forwarded, orphans reaped, out of memory",
      ],
      "no",
    ],
  ] as const)("%s: as the table has it", { timeout: 180_000 }, async (title, behaviours, without) => {
    for (const name of PEERS) requireCapability({ skip() {} }, name, files[name] !== "");
    await says(title, behaviours, without);
  });

  it("the sizes are those of the files, and each package is for one architecture", async (context) => {
    requireInit(context);
    for (const name of PEERS) requireCapability(context, name, files[name] !== "");
    requireCapability(context, "an amd64 machine", process.arch === "x64");
    const facts = async (name: string) => {
      const bytes = await readFile(files[name] as string);
      // e_machine; and the path of an interpreter, which a dynamic program has.
      return { size: bytes.length, machine: bytes.readUInt16LE(18), libc: bytes.includes("/lib64/ld-linux") };
    };
    const shown = (size: number) => String(size).replace(/\B(?=(\d{3})+$)/g, " ");
    const sizes = row("bytes, amd64");
    const of = Object.fromEntries(await Promise.all([...NAMES, "tini-static"].map(async (n) => [n, await facts(n)])));
    for (const name of NAMES) {
      const { size, libc } = of[name]!;
      expect(sizes[name].split(";")[0]).toBe(`${shown(size)}${libc ? " + libc" : ""}`);
    }
    expect(sizes.tini).toBe(`${shown(of["tini"]!.size)} + libc; static ${shown(of["tini-static"]!.size)}`);
    const architectures = row("architectures in one package");
    expect(architectures.initwrap).toBe(String(new Set(initPlatforms().map((one) => JSON.stringify(one))).size));
    for (const name of ["tini", "dumb-init", "catatonit"] as const) {
      const { stdout } = await run("dpkg", ["-L", name]);
      const machines = new Set<number>();
      for (const file of stdout.split("\n").filter((path) => /\/bin\//.test(path))) {
        const bytes = await readFile(file);
        if (bytes.subarray(1, 4).toString() === "ELF") machines.add(bytes.readUInt16LE(18));
      }
      expect(architectures[name]).toBe(String(machines.size));
    }
  });
});

describe("in an engine,", () => {
  const contexts: string[] = [];
  const images: string[] = [];
  const containers: string[] = [];
  let engine: Engine | undefined;

  beforeAll(async () => {
    engine = findEngine("modern");
    if (engine !== undefined) await provideBaseImage(engine);
  });
  afterAll(async () => {
    if (containers.length > 0) await engine?.docker(["rm", "--force", ...containers], { check: false });
    if (images.length > 0) await engine?.docker(["rmi", "--force", ...images], { check: false });
    await Promise.all(contexts.map(removeContext));
  });

  async function build(docker: Engine, dockerfile: string, files: readonly string[] = []): Promise<string> {
    const context = await buildContext(dockerfile, files);
    contexts.push(context);
    const tag = freshTag("comparison");
    images.push(tag);
    await docker.docker(["build", "--quiet", "--tag", tag, context]);
    return tag;
  }
  async function started(
    docker: Engine,
    flags: readonly string[],
    image: string,
    ...command: string[]
  ): Promise<string> {
    const id = (await docker.docker(["run", "--detach", "--network=none", ...flags, image, ...command])).stdout.trim();
    containers.push(id);
    return id;
  }
  const config = async (docker: Engine, image: string) =>
    JSON.parse((await docker.docker(["image", "inspect", "--format", "{{json .Config}}", image])).stdout);
  const inside = async (docker: Engine, id: string, file: string) =>
    (await docker.docker(["exec", id, "cat", file])).stdout;
  const words = async (docker: Engine, id: string, pid = 1) =>
    (await inside(docker, id, `/proc/${pid}/cmdline`)).split("\0").filter(Boolean);

  it("a program that exits on SIGTERM ends at once with its own code under any of the four, which are left as they are", async (context) => {
    const docker = requireEngine(context);
    const inits = {
      initwrap: INIT,
      tini: which("tini"),
      "dumb-init": which("dumb-init"),
      catatonit: which("catatonit"),
    };
    for (const [name, file] of Object.entries(inits)) requireCapability(context, name, file !== undefined);
    const files = [...(Object.values(inits) as string[]), await compileProgram("handler")];
    const from = `FROM ${BASE_IMAGE}\nCOPY initwrap tini dumb-init catatonit handler /\n`;
    const image = await build(docker, `${from}CMD ["/handler"]\n`, files);
    for (const name of Object.keys(inits)) {
      const id = (
        await docker.docker(["run", "--detach", "--entrypoint", `/${name}`, image, "--", "/handler"])
      ).stdout.trim();
      containers.push(id);
      await expect.poll(async () => (await docker.docker(["logs", id])).stdout, { timeout: 20_000 }).toContain("ready");
      const { exitCode, milliseconds } = await stopContainer(docker, id, 10);
      expect([name, exitCode]).toEqual([name, 7]);
      expect(milliseconds, name).toBeLessThan(5000);
      if (name === "initwrap") continue;
      const folder = await buildContext(`${from}ENTRYPOINT ["/${name}", "--"]\nCMD ["/handler"]\n`, []);
      contexts.push(folder);
      const { stdout } = await initwrapOk(["dockerfile", join(folder, "Dockerfile"), "--json", "--offline"], {
        env: { DOCKER_HOST: "unix:///nonexistent" },
      });
      const { changed, diagnostics } = JSON.parse(stdout.toString());
      expect([changed, diagnostics.map(({ code }: { code: string }) => code)]).toEqual([false, ["EXISTING_INIT"]]);
    }
  });

  it("an ENTRYPOINT with tini drops the base's ENTRYPOINT and the CMD that came from it", async (context) => {
    const docker = requireEngine(context);
    const base = await build(docker, `FROM ${BASE_IMAGE}\nENTRYPOINT ["/entry.sh"]\nCMD ["serve"]\n`);
    const image = await build(docker, `FROM ${base}\nENTRYPOINT ["tini", "--"]\n`);
    expect(await config(docker, base)).toMatchObject({ Entrypoint: ["/entry.sh"], Cmd: ["serve"] });
    expect(await config(docker, image)).toMatchObject({ Entrypoint: ["tini", "--"], Cmd: null });
  });

  it("docker run --init mounts docker's init over the container and puts it in front, and ours does its work below it", async (context) => {
    const docker = requireEngine(context);
    const image = await build(docker, `FROM ${BASE_IMAGE}\nCOPY spawner /\nENTRYPOINT ["/spawner"]\nCMD ["10"]\n`, [
      await compileProgram("spawner"),
    ]);
    const before = (await docker.docker(["image", "inspect", image])).stdout;
    const id = await startUntilReady(docker, image, []).catch(() => "");
    containers.push(id);
    expect(await countZombies(docker, id)).toBe(10);
    const plain = await started(docker, ["--init"], image);
    await expect
      .poll(async () => (await docker.docker(["logs", plain])).stdout, { timeout: 20_000 })
      .toContain("ready");
    expect(await words(docker, plain)).toEqual(["/sbin/docker-init", "--", "/spawner", "10"]);
    expect(await inside(docker, plain, "/proc/1/mountinfo")).toMatch(/\/sbin\/docker-init ro,/);
    expect(await countZombies(docker, plain)).toBe(0);
    expect((await docker.docker(["image", "inspect", image])).stdout).toBe(before);
    await initwrapOk(["image", image], { env: docker.env });
    const both = await started(docker, ["--init"], image);
    await expect.poll(async () => (await docker.docker(["logs", both])).stdout, { timeout: 20_000 }).toContain("ready");
    expect(await words(docker, both)).toEqual(["/sbin/docker-init", "--", "/initwrap", "--", "/spawner", "10"]);
    // The other init's only child, to whom orphans go: a subreaper.
    const [child = ""] = (await inside(docker, both, "/proc/1/task/1/children")).trim().split(" ");
    expect(await words(docker, both, Number(child))).toEqual(["/initwrap", "--", "/spawner", "10"]);
    expect(await countZombies(docker, both)).toBe(0);
    expect((await stopContainer(docker, both, 10)).exitCode).toBe(143);
  });

  it("containers that share a PID namespace: the first one's program reaps, forwards nothing, and all processes are seen", async (context) => {
    const docker = requireEngine(context);
    requireCapability(context, "catatonit", which("catatonit") !== undefined);
    const image = await build(docker, `FROM ${BASE_IMAGE}\nCOPY catatonit spawner handler sleeper.py /\n`, [
      which("catatonit") as string,
      await compileProgram("spawner"),
      await compileProgram("handler"),
      scriptProgram("sleeper.py"),
    ]);
    // What podman starts in a pod for this: catatonit that waits and reaps.
    const pause = await started(docker, ["--entrypoint", "/catatonit"], image, "-P");
    const shared = [`--pid=container:${pause}`];
    const sleeper = await started(docker, shared, image, "python3", "/sleeper.py");
    const spawner = await started(docker, shared, image, "/spawner", "10");
    const shell = await started(docker, shared, image, "sh", "-c", "/handler; exit 3");
    const bare = await started(docker, shared, image, "/handler");
    for (const id of [sleeper, spawner, shell, bare]) {
      await expect.poll(async () => (await docker.docker(["logs", id])).stdout, { timeout: 20_000 }).toContain("ready");
    }
    expect((await words(docker, sleeper))[0]).toBe("/catatonit");
    await expect.poll(() => countZombies(docker, spawner), { timeout: 5000 }).toBe(0);
    const { stdout } = await docker.docker(["exec", sleeper, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]);
    expect(stdout).toContain("/spawner 10");
    // Not PID 1, it has the default action of the signal; what stands behind a shell does not hear of it.
    expect(await stopContainer(docker, sleeper, 10)).toMatchObject({ exitCode: 143 });
    const goodbye = async (id: string) => (await stopContainer(docker, id, 10)).output.includes("goodbye");
    expect([await goodbye(bare), await goodbye(shell)]).toEqual([true, false]);
  });
});

describe("crane mutate --entrypoint", () => {
  it("sets what it is told and drops what was there, adds no layer, and of an index changes one image", async (context) => {
    requireCapability(context, "crane", hasCrane);
    requireCapability(context, "docker-registry", registryAvailable);
    const registry = await startRegistry();
    const session = new RegistrySession({ env: { HOME: "/nonexistent" } });
    try {
      const put = async (name: string, image: SampleImage) => {
        await putImage(`${registry.host}/${name}`, image, session);
        return `${registry.host}/${name}`;
      };
      const one = await put("one:1", sampleImage({ config: { Entrypoint: ["/entry.sh"], Cmd: ["serve"] } }));
      const layersOf = async (name: string) => (await manifestByCrane(name))["layers"];
      const before = await layersOf(one);
      await mutateByCrane(one, ["--entrypoint=/initwrap,--", `--tag=${registry.host}/one:2`]);
      const changed = await configByCrane(`${registry.host}/one:2`);
      expect(changed["config"]).toMatchObject({ Entrypoint: ["/initwrap", "--"] });
      expect(JSON.stringify(changed)).not.toContain("/entry.sh");
      expect(await layersOf(`${registry.host}/one:2`)).toEqual(before);
      const index = await put("index:1", twoPlatforms());
      await mutateByCrane(index, ["--entrypoint=/initwrap,--", `--tag=${registry.host}/index:2`]).catch(
        () => undefined,
      );
      const after = await manifestByCrane(`${registry.host}/index:2`).catch(() => ({}));
      expect(after).not.toHaveProperty("manifests");
    } finally {
      await session.close();
      await registry.stop();
    }
  });
});
