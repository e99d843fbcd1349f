/** What is around a build through the frontend: SBOMs, caches elsewhere, older inits below, and a frontend that dies. */
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { initFor } from "@initwrap/init-core";
import { describe, expect, it, vi } from "vitest";
import { type Engine, requireEngine } from "../support/engine.ts";
import { openArchive, useFrontend } from "../support/frontend-builds.ts";
import { BASE_IMAGE, provideBaseImage } from "../support/images.ts";
import { compileProgram } from "../support/programs.ts";

vi.setConfig({ testTimeout: 300_000 });

const frontend = useFrontend(["modern", "newest"]);
const { tags, contexts, tagOf, contextOf, through } = frontend;
const init = initFor({ os: "linux", architecture: "amd64" });
const SAY = 'FROM scratch\nCOPY say /say\nENTRYPOINT ["/say"]\n';

interface Config {
  readonly config: { readonly Entrypoint?: readonly string[] };
  readonly rootfs: { readonly diff_ids: readonly string[] };
  readonly history: readonly { readonly created_by?: string }[];
}
const inspect = async (engine: Engine, image: string) =>
  (
    JSON.parse((await engine.docker(["inspect", image])).stdout) as [
      { Config: { Entrypoint: string[] | null }; RootFS: { Layers: string[] } },
    ]
  )[0];

describe.each(["modern", "newest"] as const)("an SBOM asked for on %s", (name) => {
  it("has the scanner's document and, as an attestation of its own, the init's", async (context) => {
    const engine = requireEngine(context, name);
    const scanner = `${frontend.registry!.host}/tools/scanner-${name}:1`;
    tags.push(scanner);
    const program = await compileProgram("sbom-scanner");
    const scannerContext = await contextOf('FROM scratch\nCOPY sbom-scanner /scan\nENTRYPOINT ["/scan"]\n', [program]);
    await engine.docker(["build", "-q", "--provenance=false", "-t", scanner, scannerContext]);
    await engine.docker(["push", scanner]);
    const out = await mkdtemp(join(tmpdir(), "initwrap-sbom-"));
    contexts.push(out);
    const archive = join(out, "image.tar");
    const ask = ["--provenance=false", "--attest", `type=sbom,generator=${scanner}`];
    const to = ["--output", `type=oci,dest=${archive},name=example.com/attested:1`];
    await engine.docker(["build", "-q", ...ask, ...to, ...through(), await contextOf(SAY)]);
    const { top, read } = await openArchive(archive);
    const index = await read(top);
    expect(index.manifests).toHaveLength(2);
    const [image, attestation] = await Promise.all(
      index.manifests.map(({ digest }: { digest: string }) => read(digest)),
    );
    const config = (await read(image.config.digest)) as Config;
    expect(config.config.Entrypoint).toEqual(["/initwrap", "--", "/say"]);
    expect(config.rootfs.diff_ids.at(-1)).toBe(init.diffId);
    const statements = await Promise.all(attestation.layers.map(({ digest }: { digest: string }) => read(digest)));
    expect(statements.map(({ predicateType }) => predicateType)).toEqual(Array(2).fill("https://spdx.dev/Document"));
    expect(statements.map(({ predicate }) => predicate.name)).toEqual([
      "scan say=1 initwrap=0",
      `initwrap-${init.version}`,
    ]);
    // Both are said of the image that was made.
    for (const { subject } of statements) {
      expect(`sha256:${subject[0].digest.sha256}`).toBe(index.manifests[0].digest);
    }
    expect(statements[1].predicate.packages[0].checksums[0].checksumValue).toBe(init.sha256);
  });
});

describe("a cache in a registry", () => {
  it.for([
    ["of its own", ["--cache-to", "type=registry,ref=CACHE,mode=max"], "type=registry,ref=CACHE"],
    ["inside the image", ["--cache-to", "type=inline"], "type=registry,ref=IMAGE"],
    ["inside the image, by an argument,", ["--build-arg", "BUILDKIT_INLINE_CACHE=1"], "IMAGE"],
  ] as const)(
    "%s is taken by an engine that has not built the image, but for merges",
    async ([, to, from], context) => {
      const [builder, other] = [requireEngine(context, "modern"), requireEngine(context, "newest")];
      // BuildKit makes a merge anew wherever it comes from: that of COPY --link in a plain build as well.
      for (const [args, last, merge] of [
        [through(), "", "[initwrap] merge"],
        [[], "COPY --link say /linked\n", "LINK COPY --link say /linked"],
      ] as const) {
        const name = randomUUID();
        const image = `${frontend.registry!.host}/cached/${name}:1`;
        tags.push(image);
        const named = (words: readonly string[]) =>
          words.map((word) =>
            word.replace(/\bCACHE\b/, `${frontend.registry!.host}/cache/${name}`).replace("IMAGE", image),
          );
        // What nobody has built before.
        const folder = await contextOf(`${SAY}COPY <<EOF /name\n${name}\nEOF\n${last}`);
        const words = ["build", "--provenance=false", ...args, "-t", image];
        const first = await builder.docker([...words, "--progress=plain", ...named(to), "--push", folder]);
        expect(first.stderr).not.toMatch(/COPY <<EOF .*\n#\d+ (?:CACHED|sha256:)/);
        const second = await other.docker([...words, "--progress=rawjson", "--cache-from", ...named([from]), folder]);
        const made = stepsMadeIn(second.stderr);
        expect(made.filter((one) => one !== merge)).toEqual([]);
        if (last === "") expect((await inspect(other, image)).RootFS.Layers.at(-1)).toBe(init.diffId);
      }
    },
  );
});

describe("a frontend", () => {
  it("that is killed in the middle of a build fails it with a clear error", async (context) => {
    const engine = requireEngine(context, "modern");
    await provideBaseImage(engine);
    // The frontend lives while the base image's program runs: it reads the file that the program leaves.
    const folder = await contextOf(
      `FROM ${BASE_IMAGE}\nRUN --network=none sleep 59.731 && : ${Date.now()}\nENTRYPOINT ["/initwrap", "--", "/x"]\n`,
    );
    const before = new Set(frontends());
    const building = engine.docker(["build", "--progress=plain", ...through(), folder], { check: false });
    let killed = 0;
    for (let tries = 0; tries < 300 && killed === 0; tries++) {
      await sleep(100);
      const [pid] = frontends().filter((one) => !before.has(one));
      // Not before it has told BuildKit what to build.
      if (pid === undefined || !hasStarted("sleep 59.731")) continue;
      killed = pid;
      process.kill(pid, "SIGKILL");
    }
    const { status, stderr } = await building;
    expect(killed).toBeGreaterThan(0);
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/ERROR: failed to (?:solve|build|receive status).*(?:frontend|exit code: 137|closed)/);
  });

  it("renews the init of an older release in the base image, and leaves this release's", async (context) => {
    const engine = requireEngine(context, "modern");
    const old = tagOf("older");
    const body = 'COPY say /initwrap\nCOPY say /say\nENTRYPOINT ["/initwrap", "--", "/say"]\n';
    await engine.docker(["build", "-q", "-t", old, await contextOf(`FROM scratch\n${body}`)]);
    const [renewed, again] = [tagOf("renewed"), tagOf("again")];
    await engine.docker(["build", "-q", ...through(), "-t", renewed, await contextOf(`FROM ${old}\nLABEL a=1\n`)]);
    const first = await inspect(engine, renewed);
    expect(first.Config.Entrypoint).toEqual(["/initwrap", "--", "/say"]);
    expect(first.RootFS.Layers.at(-1)).toBe(init.diffId);
    await engine.docker(["build", "-q", ...through(), "-t", again, await contextOf(`FROM ${renewed}\nLABEL b=1\n`)]);
    expect((await inspect(engine, again)).RootFS.Layers).toEqual(first.RootFS.Layers);
  });

  it("with options that the init does not take fails the build, in the image as on the command line", async (context) => {
    const engine = requireEngine(context, "modern");
    const args = ["build", ...through(), "--build-arg", "INITWRAP_INIT=--grcae=5s", await contextOf(SAY)];
    const { status, stderr } = await engine.docker(args, { check: false });
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/initwrap: the init does not take these options: .*--grcae.*\[USAGE\]/);
  });
});

interface Progress {
  readonly vertexes?: readonly { readonly digest: string; readonly name: string; readonly cached?: boolean }[];
  readonly statuses?: readonly { readonly id: string; readonly vertex: string }[];
}

/** The steps that make layers and were, by `--progress=rawjson`, neither taken from a cache nor fetched because the export needs them. */
function stepsMadeIn(stderr: string): string[] {
  const names = new Map<string, string>();
  const taken = new Set<string>();
  for (const line of stderr.split("\n").filter((one) => one.startsWith("{"))) {
    const { vertexes = [], statuses = [] } = JSON.parse(line) as Progress;
    for (const { digest, name, cached } of vertexes) {
      names.set(digest, name.replace(/^\[\d+\/\d+\] /, ""));
      if (cached) taken.add(digest);
    }
    for (const { id, vertex } of statuses) if (/sha256:/.test(id)) taken.add(vertex);
  }
  return Array.from(names)
    .filter(([digest, name]) => /COPY|\[initwrap\]/.test(name) && !taken.has(digest))
    .map(([, name]) => name);
}

/** The frontends' processes, as the machine sees them. */
function frontends(): number[] {
  return processes((words) => words.startsWith("/node /frontend.cjs"));
}
function hasStarted(words: string): boolean {
  return processes((line) => line.includes(words)).length > 0;
}
function processes(isWanted: (commandLine: string) => boolean): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return isWanted(readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " "));
      } catch {
        return false;
      }
    })
    .map(Number);
}
