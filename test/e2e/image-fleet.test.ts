/** `initwrap image --from`: a list of images in one process, as a user calls it. */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer as createGateway, request } from "node:http";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { RegistrySession } from "../../packages/cli/src/store/registry/session.ts";
import { sampleImage } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { CLI, type CliResult, initwrap } from "../support/cli.ts";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { putImage, readWhole } from "../support/registry-image.ts";
import { startTokenServer } from "../support/token-server.ts";

const IMAGES = 12;
const env = { HOME: "/nonexistent", XDG_CONFIG_HOME: "", DOCKER_CONFIG: "" };
const session = new RegistrySession({ env: { HOME: "/nonexistent" } });
let registry: TestRegistry;
let proxy: FaultProxy;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-fleet-"));
  if (!registryAvailable) return;
  registry = await startRegistry();
  proxy = await startFaultProxy(registry.host);
  for (let at = 0; at < IMAGES; at++) {
    await putImage(`${registry.host}/team/app${at}:1`, sampleImage({ layers: [`app ${at}\n`] }), session);
  }
  const supervised = sampleImage({ layers: ["s6\n"], config: { Entrypoint: ["/init"], Env: ["S6_VERSION=3"] } });
  await putImage(`${registry.host}/team/supervised:1`, supervised, session);
});
afterAll(async () => {
  await session.close();
  await proxy?.stop();
  await registry?.stop();
  await rm(folder, { recursive: true });
});
beforeEach((context) => {
  requireCapability(context, "docker-registry", registryAvailable);
  proxy.arm(-1, undefined);
});

const names = (host: string): string[] => Array.from({ length: IMAGES }, (_, at) => `${host}/team/app${at}:1`);

async function list(...lines: string[]): Promise<string> {
  const file = join(folder, `refs-${Math.random().toString(36).slice(2)}.txt`);
  await writeFile(file, `${lines.join("\n")}\n`);
  return file;
}

function run(...args: string[]): Promise<CliResult> {
  return initwrap(["image", ...args], { env, cwd: folder });
}

/** The digests behind a tag of every image; undefined where there is none. */
function digests(tag: string): Promise<(string | undefined)[]> {
  return Promise.all(
    Array.from({ length: IMAGES }, (_, at) =>
      readWhole(`${registry.host}/team/app${at}:${tag}`, session).then(
        (found) => found,
        () => undefined,
      ),
    ),
  ).then((found) => {
    // The image's layer and the init's.
    expect(new Set(found.map((one) => one?.layers ?? 2))).toEqual(new Set([2]));
    return found.map((one) => one?.digest);
  });
}

describe("a list of images", () => {
  it("is wrapped in one process, under names that a template makes; the second run finds them there", async () => {
    const [first, ...others] = names(proxy.host);
    const file = await list("# the team's", "", first!, ...others, `  registry:${first}  `);
    const args = ["--from", file, "-t", "{{repository}}:{{tag}}-init"];
    const { status, stdout, stderr } = await run(...args);
    expect(status, stderr).toBe(0);
    const found = await digests("1-init");
    expect(stdout.toString()).toBe(
      found.map((digest, at) => `${proxy.host}/team/app${at}:1-init@${digest}\n`).join(""),
    );
    expect(stderr).toContain(`[${IMAGES}/${IMAGES}] `);
    expect(stderr).toContain(`${IMAGES} images: ${IMAGES} wrapped; `);
    proxy.arm(-1, undefined);
    const again = await run(...args);
    expect([again.status, again.stdout.toString()]).toEqual([0, stdout.toString()]);
    expect(again.stderr).toContain(`${IMAGES} images: ${IMAGES} there already; 0 B moved`);
    // Two small documents and one question each, and nothing that writes.
    expect(proxy.requests.filter((line) => !/^(GET|HEAD) /.test(line))).toEqual([]);
    expect(proxy.requests.length).toBeLessThanOrEqual(3 * IMAGES + 1);
    expect((await run(...args, "--check")).status).toBe(0);
    expect((await run(...args.slice(0, 3), "{{repository}}:{{tag}}-other", "--check")).status).toBe(1);
  });

  it("comes from standard input too, and goes to another registry's paths, archives or one layout", async () => {
    const input = names(registry.host).slice(0, 4).join("\n");
    const result = await initwrap(["image", "--from", "-", "-t", `${registry.host}/copy/{{path}}:{{tag}}`, "-q"], {
      env,
      input,
    });
    expect([result.status, result.stderr]).toEqual([0, ""]);
    expect((await readWhole(`${registry.host}/copy/team/app3:1`, session)).layers).toBe(2);
    for (const place of ["oci:layout", "./folder/"]) {
      const layout = await initwrap(["image", "--from", "-", "-o", place, "-t", "{{name}}:{{tag}}"], {
        env,
        input,
        cwd: folder,
      });
      expect(layout.status, layout.stderr).toBe(0);
      const index = JSON.parse(await readFile(join(folder, place.replace(/^oci:/, ""), "index.json"), "utf8"));
      expect(index.manifests).toHaveLength(4);
    }
    const archives = await initwrap(["image", "--from", "-", "-o", "oci-archive:{{name}}.tar"], {
      env,
      input,
      cwd: folder,
    });
    expect(archives.status, archives.stderr).toBe(0);
    const undone = await initwrap(["image", "--from", "-", "--undo"], {
      env,
      input: "app0.tar\noci-archive:app1.tar\n",
      cwd: folder,
    });
    expect(undone.stderr).toContain("2 images: 2 undone");
  });

  it("says in a dry run what is copied as it is, what is replaced, and that a part has nothing", async () => {
    const [first, second] = names(registry.host) as [string, string];
    const file = await list(first);
    const done = await run("--from", file, "-t", "{{repository}}:{{tag}}-first");
    expect(done.status, done.stderr).toBe(0);
    const args = ["-t", "{{repository}}:copied", "--dry-run"];
    const copied = await run("--from", await list(`${first}-first`), ...args);
    expect(copied.stderr).toMatch(
      /:copied {2}would be copied as it is\n1 image: 1 would be copied as it is; 0 B moved\n$/,
    );
    const document = JSON.parse(
      (await run("--from", await list(`${first}-first`), ...args, "--json")).stdout.toString(),
    );
    expect([document.images[0].status, document.summary.planned]).toEqual(["planned", 1]);
    const one = await run(`registry:${first}-first`, "-t", `${first}-second`, "--dry-run");
    // The manifest, under its new name.
    expect(one.stderr).toMatch(/: nothing to do, .*\nblobs: 4 to skip; at most 1\.\d kB to move\n$/);
    const replaced = await run("--from", await list(second), "--push", "--dry-run");
    expect(replaced.stderr).toContain(`[1/1] ${second}: would change\n`);
    expect(replaced.stderr).toContain(`\n${second}  ${second}  would change\n`);
    const nothing = await run("--from", file, "--push", "--shard", "2/2");
    expect([nothing.status, nothing.stdout.toString(), nothing.stderr]).toEqual([
      0,
      "",
      "0 images: this part of the list is empty\n",
    ]);
  });

  it("is not kept in a file under the digest that it had before", async () => {
    const [first] = names(registry.host) as [string];
    const { digest } = await readWhole(first, session);
    const by = first.replace(/:1$/, `@${digest}`);
    for (const [source, tags] of [
      [by, []],
      [`${first}@${digest}`, [first]],
    ] as const) {
      const { status, stdout, stderr } = await run(`registry:${source}`, "-o", "by-digest.tar", "--json");
      expect(status, stderr).toBe(0);
      expect(JSON.parse(stdout.toString()).names).toEqual(tags);
      const archive = await readFile(join(folder, "by-digest.tar"));
      expect(archive.toString("latin1")).toContain(`"RepoTags":${JSON.stringify(tags)}`);
      const layout = await run(`registry:${source}`, "-o", `oci:by-digest-${tags.length}`);
      expect(layout.status, layout.stderr).toBe(0);
      const index = await readFile(join(folder, `by-digest-${tags.length}/index.json`), "utf8");
      expect(index).not.toContain(digest);
    }
    for (const flag of ["--dry-run", "--check"]) {
      const refused = await run(`registry:${by}`, flag);
      expect([refused.status, refused.stdout.toString()]).toEqual([5, ""]);
      expect(refused.stderr).toContain(`which cannot be stored as ${digest}`);
    }
    expect((await run(`registry:${by}`, "--undo", "-q")).stdout.toString()).toBe(`${by}\n`);
  });

  it("goes on after a failure, and ends with the exit code of the gravest", async () => {
    const all = names(registry.host);
    const file = await list(`${registry.host}/team/none:1`, `${registry.host}/team/supervised:1`, ...all.slice(0, 3));
    const { status, stdout, stderr } = await run("--from", file, "-t", "{{repository}}:{{tag}}-goes-on");
    expect(status).toBe(5);
    expect(stdout.toString().split("\n")).toHaveLength(4);
    expect(stderr).toMatch(/none:1 .*IMAGE_NOT_FOUND/);
    expect(stderr).toMatch(/supervised:1 .*MUST_BE_PID1/);
    expect(stderr).toContain("5 images: 3 wrapped, 2 failed; ");
    // In full once, with the line of the list and what to do.
    expect(stderr).toContain(`error[IMAGE_NOT_FOUND]: ${file}:1 (${registry.host}/team/none:1): `);
    expect(stderr).toMatch(/error\[MUST_BE_PID1\]: \S+:2 \(\S+\): s6-overlay has to be PID 1 itself\nhint: /);
    expect(stderr.split("has to be PID 1 itself")).toHaveLength(2);
    const { status: missing, stdout: json } = await run(
      "--from",
      file,
      "--jobs",
      "1",
      "--fail-fast",
      "--json",
      "--push",
    );
    expect(missing).toBe(3);
    const document = JSON.parse(json.toString());
    expect(document.images.map((one: { status: string }) => one.status)).toEqual([
      "failed",
      ...Array(4).fill("not-started"),
    ]);
    expect(document.images[0].error).toMatchObject({ code: "IMAGE_NOT_FOUND", exit: 3 });
    expect(document.summary).toMatchObject({ images: 5, failed: 1, unfinished: 4, exit: 3 });
    expect((await readWhole(all[0]!, session)).layers).toBe(1);
  });

  it("is split into parts that together are the whole", async () => {
    const file = await list(...names(registry.host));
    const parts: string[] = [];
    for (const shard of ["1/5", "2/5", "3/5", "4/5", "5/5"]) {
      const { stdout } = await run("--from", file, "-t", "{{repository}}:split", "--dry-run", "--shard", shard);
      const lines = stdout.toString().trim().split("\n");
      expect([2, 3]).toContain(lines.length);
      parts.push(...lines);
    }
    expect(new Set(parts).size).toBe(IMAGES);
    expect(await digests("split")).toEqual(Array(IMAGES).fill(undefined));
  });

  it.each([
    ["nothing says where they go", ["HOST/a:1"], [], 5, "TAG_REQUIRED", ":1"],
    ["two get one name", ["HOST/a:1", "HOST/b:1"], ["-t", "HOST/x:{{tag}}"], 2, "USAGE", ":2"],
    [
      "two get one archive, names or not",
      ["HOST/a:1", "HOST/b:1"],
      ["-o", "x.tar", "-t", "{{name}}"],
      2,
      "USAGE",
      ":2",
    ],
    ["one replaces another", ["HOST/a:1", "HOST/a:1-init"], ["-t", "{{repository}}:{{tag}}-init"], 2, "USAGE", ":2"],
    ["a comment has no line of its own", ["HOST/a:1 # why"], ["--push"], 3, "LOCATOR_INVALID", ":1"],
    ["two get one archive", ["HOST/a:1", "HOST/b:1"], ["-o", "oci-archive:x.tar"], 2, "USAGE", ":2"],
    [
      "a field is missing",
      [`HOST/a@sha256:${"0".repeat(64)}`],
      ["-t", "{{path}}:{{tag}}"],
      3,
      "TEMPLATE_INVALID",
      ":1",
    ],
    ["a template is broken", ["HOST/a:1"], ["-t", "{{path"], 3, "TEMPLATE_INVALID", ":1"],
    ["a name comes out wrong", ["HOST/a:1"], ["-t", "{{repository}}:{{tag}}:{{tag}}"], 3, "LOCATOR_INVALID", ":1"],
    ["a line holds two", ["HOST/a:1", "HOST/b:1 HOST/c:1"], ["-t", "x/{{path}}"], 3, "LOCATOR_INVALID", ":2"],
    ["a line is no image", ["HOST/a:1", "HOST/B:1"], ["-t", "x/{{path}}"], 3, "LOCATOR_INVALID", ":2"],
    ["there is none", ["# none"], ["-t", "x/{{path}}"], 3, "INPUT_UNREADABLE", ""],
    ["the part is none", ["HOST/a:1"], ["-t", "x/{{path}}", "--shard", "0/3"], 2, "USAGE", undefined],
  ] as const)("is refused before anything is asked or written when %s", async (_, lines, args, status, code, line) => {
    const here = (text: string): string => text.replaceAll("HOST", proxy.host);
    const file = await list(...lines.map(here));
    const result = await run("--from", file, ...args.map(here));
    expect(result.stderr).toContain(`error[${code}]: ${line === undefined ? "" : `${file}${line}: `}`);
    expect([result.status, result.stdout.toString(), proxy.requests]).toEqual([status, "", []]);
  });

  it("shares connections: a handful of them for any number of images", async () => {
    let connections = 0;
    const relay: Server = createServer((near) => {
      connections++;
      const far = connect(Number(registry.host.split(":")[1]), "127.0.0.1");
      near.pipe(far).pipe(near);
      near.on("error", () => far.destroy());
      far.on("error", () => near.destroy());
    });
    await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
    const host = `127.0.0.1:${(relay.address() as { port: number }).port}`;
    try {
      const file = await list(...names(host));
      const result = await run("--from", file, "-t", "{{repository}}:{{tag}}-shared", "--jobs", "2");
      expect(result.status, result.stderr).toBe(0);
      expect(connections).toBeGreaterThan(0);
      expect(connections).toBeLessThanOrEqual(8);
    } finally {
      relay.close();
    }
  });

  it("keeps the pace of a registry that limits requests, so that hardly any is refused", async () => {
    const limited = { requests: 0, refused: 0 };
    // At most 20 requests in each second, as a gateway counts them: a busy machine makes more, too.
    let second = 0;
    let count = 0;
    const [hostname, port] = registry.host.split(":");
    const gateway = createGateway((incoming, outgoing) => {
      const now = Math.floor(performance.now() / 1000);
      if (now !== second) [second, count] = [now, 0];
      limited.requests++;
      if (++count > 20) {
        limited.refused++;
        incoming.resume();
        outgoing.writeHead(429, { "retry-after": "1" }).end();
        return;
      }
      const { method, url, headers } = incoming;
      const onward = request({ agent: false, hostname, port, method, path: url, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(outgoing);
      });
      incoming.pipe(onward);
    });
    await new Promise<void>((resolve) => gateway.listen(0, "127.0.0.1", resolve));
    try {
      const file = await list(...names(`127.0.0.1:${(gateway.address() as { port: number }).port}`));
      const result = await run("--from", file, "-t", "{{repository}}:{{tag}}-paced", "--jobs", "12");
      expect(result.status, result.stderr).toBe(0);
      expect(limited.refused).toBeGreaterThan(0);
      // Without a common pace it is more than every second one.
      expect(limited.refused / limited.requests).toBeLessThan(0.5);
    } finally {
      gateway.close();
      gateway.closeAllConnections();
    }
  });

  it("a part of the list that has no image says so, and is no failure", async () => {
    const { status, stdout, stderr } = await run(
      "--from",
      await list("a.example/b:1"),
      "-t",
      "x/y:1",
      "--shard",
      "2/2",
    );
    expect([status, stdout.toString()]).toEqual([0, ""]);
    expect(stderr).toContain("0 images: this part of the list is empty\n");
  });

  it("ends cleanly on SIGINT, says what is done, and the next run does the rest", async () => {
    const slow = await startFaultProxy(registry.host);
    try {
      // From the tenth request on each answer comes late: some images are done, some at work, some not begun.
      slow.arm(10, { kind: "delay", milliseconds: 400 }, 10_000);
      const file = await list(...names(slow.host));
      const args = ["image", "--from", file, "-t", "{{repository}}:{{tag}}-cut", "--jobs", "2"];
      const child = spawn(process.execPath, [CLI, ...args, "--json"], { env: { ...process.env, ...env } });
      let stdout = "";
      child.stdout.on("data", (chunk) => {
        stdout += chunk;
      });
      const isUnderWay = (): boolean => slow.requests.some((line) => line.endsWith("/manifests/1-cut"));
      while (!isUnderWay()) await new Promise((resolve) => setTimeout(resolve, 20));
      await new Promise((resolve) => setTimeout(resolve, 500));
      child.kill("SIGINT");
      expect(await new Promise((resolve) => child.on("close", resolve))).toBe(130);
      const document = JSON.parse(stdout);
      const statuses = document.images.map((one: { status: string }) => one.status) as string[];
      expect(statuses).toContain("not-started");
      expect(document.summary).toMatchObject({ failed: 0, exit: 130 });
      const left = await digests("1-cut");
      for (const [at, status] of statuses.entries()) if (status === "wrapped") expect(left[at]).toBeDefined();
      slow.arm(-1, undefined);
      const rest = await initwrap(args, { env });
      expect(rest.status, rest.stderr).toBe(0);
      expect((await digests("1-cut")).every((digest) => digest !== undefined)).toBe(true);
    } finally {
      await slow.stop();
    }
  });

  it("asks for one token for each set of rights of a repository, for any number of its tags", async () => {
    const tokens = await startTokenServer("user", "pass:word", "the-refresh-token");
    const closed = await startRegistry({ auth: { token: tokens.auth } });
    const home = join(folder, "docker");
    await mkdir(home);
    const auth = Buffer.from("user:pass:word").toString("base64");
    await writeFile(join(home, "config.json"), JSON.stringify({ auths: { [closed.host]: { auth } } }));
    const own = new RegistrySession({ env: { HOME: "/nonexistent", DOCKER_CONFIG: home } });
    try {
      const tags = Array.from({ length: 10 }, (_, at) => `${closed.host}/team/app:${at}`);
      for (const [at, tag] of tags.entries()) await putImage(tag, sampleImage({ layers: [`${at}`] }), own);
      tokens.requests.length = 0;
      const file = await list(...tags);
      const result = await initwrap(["image", "--from", file, "-t", "{{repository}}:{{tag}}-init"], {
        env: { ...env, DOCKER_CONFIG: home },
      });
      expect(result.status, result.stderr).toBe(0);
      const asked = tokens.requests.map(({ scopes }) => scopes.join(" "));
      expect(asked.length).toBe(new Set(asked).size);
      expect(asked.sort()).toEqual(["repository:team/app:pull", "repository:team/app:pull,push"]);
    } finally {
      await own.close();
      await closed.stop();
      await tokens.stop();
    }
  });
});
