/** `initwrap inspect` as a user runs it: Dockerfiles, and images wherever they are, against the published schema. */
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { digestOf } from "../../packages/cli/src/model/digest.ts";
import type { Inspected, Inspection } from "../../packages/cli/src/model/inspection.ts";
import { ociLayoutMedium } from "../../packages/cli/src/store/oci-layout.ts";
import { RegistrySession } from "../../packages/cli/src/store/registry/session.ts";
import { inspect } from "../../packages/cli/src/wrap/inspect.ts";
import { type SampleImage, sampleImage, sampleIndex } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { CLI, initwrap, initwrapOk } from "../support/cli.ts";
import { findEngine } from "../support/engine.ts";
import { buildContext, freshTag, removeContext } from "../support/images.ts";
import { ROOT } from "../support/programs.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { putImage } from "../support/registry-image.ts";
import { again } from "../support/sample-image.ts";

const run = promisify(execFile);
const SAMPLES = join(ROOT, "test/fixtures/dockerfile/samples");
const env = { HOME: "/nonexistent", XDG_CONFIG_HOME: "", DOCKER_CONFIG: "", NO_COLOR: "", FORCE_COLOR: "" };
const noEngine = { ...env, DOCKER_HOST: "unix:///nonexistent/docker.sock", CONTAINER_HOST: "" };
let folder: string;
let validate: ReturnType<Ajv2020["compile"]>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-inspect-"));
  const schema = JSON.parse(await readFile(join(ROOT, "schemas/inspect.schema.json"), "utf8"));
  validate = new Ajv2020({ allowUnionTypes: true, strictTypes: false, allErrors: true }).compile(schema);
});
afterAll(() => rm(folder, { recursive: true }));

interface Options {
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
  readonly cwd?: string;
}

/** The document of a run, which the schema has to admit, and to refuse when a field is lost or made up. */
async function inspection(args: readonly string[], options: Options = {}): Promise<Inspection> {
  const { stdout, stderr } = await initwrapOk(["inspect", ...args, "--json"], {
    env: noEngine,
    cwd: folder,
    ...options,
  });
  expect(stderr).toBe("");
  const document = JSON.parse(stdout.toString());
  expect(validate(document), JSON.stringify(validate.errors?.slice(0, 5))).toBe(true);
  for (const key of Object.keys(document)) {
    const { [key]: _, ...rest } = document;
    expect(validate(rest), `without ${key}`).toBe(false);
  }
  expect(validate({ ...document, surprise: 1 })).toBe(false);
  return document;
}

async function only(args: readonly string[], options: Options = {}): Promise<Inspected> {
  const { subjects } = await inspection(args, options);
  expect(subjects).toHaveLength(1);
  return subjects[0]!;
}

async function dockerfile(...lines: string[]): Promise<string> {
  const path = join(await mkdtemp(join(folder, "file-")), "Dockerfile");
  await writeFile(path, `${lines.join("\n")}\n`);
  return path;
}

const BASE = ["--base-entrypoint", '["/entry.sh"]', "--base-cmd", '["serve"]'];

describe("a Dockerfile", () => {
  it("tells the line of each setting, and what initwrap would make of it", async () => {
    const file = await dockerfile(
      "FROM base",
      "STOPSIGNAL SIGQUIT",
      "USER app",
      'CMD ["x"]',
      "CMD \\",
      "  npm start; true",
    );
    const subject = await only([file, "--base-config", await config({ Entrypoint: null, Cmd: ["old"] })]);
    expect(subject).toMatchObject({
      stage: { index: 0, name: null, line: 1, isDefault: true },
      platform: null,
      firstProcess: { role: "shell", program: "/bin/sh -c", init: null, forwardsSignals: false },
      entrypoint: { value: null, known: true, form: null, origin: { kind: "unset" } },
      cmd: {
        value: ["/bin/sh", "-c", "npm start; true"],
        form: "shell",
        origin: { kind: "instruction", line: 5, endLine: 6, stage: "0" },
      },
      stopSignal: { value: "SIGQUIT", origin: { kind: "instruction", line: 2 } },
      user: { value: "app", origin: { kind: "instruction", line: 3 } },
      change: {
        action: "wrap",
        entrypoint: ["/initwrap", "--"],
        cmd: ["/bin/sh", "-c", "npm start; true"],
      },
    });
    expect(subject.diagnostics.map(({ code }) => code)).toContain("SHELL_FORM_NO_EXEC");
  });

  it("tells what is the base's, and who said so", async () => {
    const file = await dockerfile("FROM base", 'CMD ["mine"]');
    const image = await config({ Entrypoint: ["/e"], Cmd: ["c"], User: "www", StopSignal: "SIGWINCH" });
    const base = { kind: "base", reference: "base", source: "flags", detail: null };
    expect(await only([file, "--base-config", image])).toMatchObject({
      entrypoint: { value: ["/e"], origin: base },
      cmd: { value: ["mine"], origin: { kind: "instruction", line: 2 } },
      stopSignal: { value: "SIGWINCH", origin: base },
      user: { value: "www", origin: base },
    });
  });

  it("tells a CMD that an ENTRYPOINT clears, and not one that was never there", async () => {
    const file = await dockerfile("FROM base", 'ENTRYPOINT ["x"]');
    expect((await only([file, ...BASE])).cmd).toMatchObject({ value: null, origin: { kind: "cleared", line: 2 } });
    const none = ["--base-entrypoint", "[]", "--base-cmd", "[]"];
    expect((await only([file, ...none])).cmd).toMatchObject({ value: null, origin: { kind: "unset" } });
  });

  it("follows a setting into the stage that it is inherited from, and a trigger to its base", async () => {
    const file = await dockerfile(
      "FROM scratch AS one",
      'ENTRYPOINT ["/one"]',
      "ONBUILD USER later",
      "FROM one AS two",
      'CMD ["two"]',
    );
    const { subjects } = await inspection([file]);
    expect(subjects.map(({ stage }) => [stage?.name, stage?.isDefault])).toEqual([
      ["one", false],
      ["two", true],
    ]);
    expect(subjects[1]).toMatchObject({
      entrypoint: { value: ["/one"], origin: { kind: "instruction", line: 2, stage: "one" } },
      user: { value: "later", origin: { kind: "trigger", base: "one", text: "USER later" } },
    });
    expect((await only([file, "--target", "one"])).stage?.name).toBe("one");
    expect((await only([file, "--target", "1"])).stage?.name).toBe("two");
    const missing = await initwrap(["inspect", file, "--target", "three"], { env: noEngine });
    expect([missing.status, missing.stderr]).toEqual([3, expect.stringContaining("STAGE_NOT_FOUND")]);
  });

  it("says of a base that nobody knows that it is not known, and still tells what does not hang on it", async () => {
    const file = await dockerfile("FROM nobody.invalid/it:1", 'ENTRYPOINT ["x"]');
    expect(await only([file, "--offline"])).toMatchObject({
      firstProcess: { role: "program" },
      user: { known: false, origin: { kind: "unknown", reference: "nobody.invalid/it:1" } },
      stopSignal: { known: false },
      change: { action: "wrap", entrypoint: ["/initwrap", "--", "x"] },
    });
    const bare = await dockerfile("FROM nobody.invalid/it:1");
    expect(await only([bare, "--offline"])).toMatchObject({
      firstProcess: null,
      entrypoint: { known: false },
      change: { action: "refused", code: "BASE_UNKNOWN" },
    });
  });

  it("that is wrapped shows the init in its own lines, and the stages that initwrap put in are none of them", async () => {
    const file = await dockerfile("FROM scratch AS a", 'CMD ["a"]', "FROM a AS b", 'ENTRYPOINT ["b"]', "FROM scratch");
    await initwrapOk(["dockerfile", "-w", file, "--inject", "inline", "--all-targets"], { env: noEngine });
    const { subjects } = await inspection([file]);
    expect(subjects.map(({ stage }) => stage?.name)).toEqual(["a", "b", null]);
    const lines = (await readFile(file, "latin1")).split("\n");
    for (const { stage, firstProcess, entrypoint, change } of subjects.slice(0, 2)) {
      expect(lines[stage!.line - 1]).toMatch(/^FROM /);
      expect(firstProcess).toMatchObject({ role: "initwrap", forwardsSignals: true });
      expect(change).toEqual({ action: "none", reason: "already" });
      const { origin } = entrypoint;
      expect(origin.kind === "instruction" && lines[origin.line - 1]).toMatch(/^ENTRYPOINT \["\/initwrap", "--"/);
    }
  });

  it("shows what --replace-init would do", async () => {
    const file = await dockerfile("FROM scratch", 'ENTRYPOINT ["tini", "-g", "--", "x"]');
    expect(await only([file])).toMatchObject({
      firstProcess: { role: "init", init: "tini", forwardsSignals: true },
      change: { action: "none", reason: "existing-init" },
    });
    expect((await only([file, "--replace-init"])).change).toMatchObject({
      action: "wrap",
      entrypoint: expect.arrayContaining(["/initwrap", "--", "x"]),
    });
  });

  it("of an unknown frontend is described all the same, and planned with --force", async () => {
    const file = await dockerfile("# syntax=example.com/other:1", "FROM scratch", 'CMD ["x"]');
    expect(await only([file])).toMatchObject({
      firstProcess: { role: "program", program: "x" },
      change: { action: "refused", code: "FRONTEND_UNKNOWN" },
    });
    expect((await only([file, "--force"])).change).toMatchObject({ action: "wrap" });
  });

  it("is read from standard input, a folder, and the working directory", async () => {
    const file = await dockerfile("FROM scratch", 'CMD ["x"]');
    const cwd = join(file, "..");
    const expected = { ...(await inspection([file])), source: expect.any(String) };
    expect(await inspection(["-"], { input: await readFile(file, "utf8") })).toEqual(expected);
    expect(await inspection([cwd])).toEqual(expected);
    expect(await inspection([], { cwd })).toMatchObject({ ...expected, source: "Dockerfile" });
    const { stdout } = await run("bash", ["-c", `'${process.execPath}' '${CLI}' inspect --json <(cat '${file}')`]);
    expect(JSON.parse(stdout)).toEqual({ version: 1, command: "inspect", ...expected });
  });

  it.each([
    ["no-such/Dockerfile", 3, "INPUT_NOT_FOUND"],
    [".", 3, "INPUT_NOT_FOUND"],
    ["UPPER", 3, "LOCATOR_INVALID"],
  ])("%s is no input", async (subject, status, code) => {
    const cwd = await mkdtemp(join(folder, "empty-"));
    const result = await initwrap(["inspect", subject], { env: noEngine, cwd });
    expect([result.status, result.stdout.length, result.stderr]).toEqual([status, 0, expect.stringContaining(code)]);
  });

  it("of every sample has a document as the schema says, or the error that its reading gives", async () => {
    const roles = new Set<string>();
    for (const name of await readdir(SAMPLES)) {
      const result = await inspect({
        subject: join(SAMPLES, name),
        stdin: process.stdin,
        buildArgs: [],
        platforms: [],
        insecureRegistries: [],
        replaceInit: false,
        offline: true,
        env: {},
        signal: new AbortController().signal,
      }).catch((error: { code?: string }) => error.code);
      if (typeof result !== "object") {
        expect(result, name).toBe("DOCKERFILE_SYNTAX");
        continue;
      }
      const document = JSON.parse(JSON.stringify({ version: 1, command: "inspect", ...result }));
      expect(validate(document), `${name}: ${JSON.stringify(validate.errors?.slice(0, 5))}`).toBe(true);
      for (const { firstProcess } of result.subjects) roles.add(firstProcess?.role ?? "unknown");
    }
    expect([...roles].sort()).toEqual([
      "exec-shell",
      "init",
      "none",
      "program",
      "script",
      "shell",
      "supervisor",
      "unknown",
    ]);
  });
});

/** An OCI config in a file, with these fields. */
async function config(fields: object): Promise<string> {
  const path = join(await mkdtemp(join(folder, "config-")), "config.json");
  await writeFile(path, JSON.stringify({ os: "linux", architecture: "amd64", config: fields }));
  return path;
}

describe("an image in a file or a folder", () => {
  async function layout(image: ReturnType<typeof sampleImage>): Promise<string> {
    const path = join(await mkdtemp(join(folder, "layout-")), "image");
    const sink = await ociLayoutMedium.sink(path, { env, names: ["docker.io/library/app:1"] });
    for (const { descriptor, bytes } of image.blobs) await sink.put(descriptor, again(bytes));
    await sink.commit(image.root);
    await sink.close();
    return path;
  }

  it("has each platform of an index, one that is not here among them, and no attestation", async () => {
    const place = await layout(sampleIndex());
    const { subjects, digest, names } = await inspection([place]);
    expect(digest).toBe(sampleIndex().root.digest);
    expect(names).toEqual(["docker.io/library/app:1"]);
    expect(subjects.map(({ platform }) => [platform?.name, platform?.present])).toEqual([
      ["linux/amd64", true],
      ["linux/arm64/v8", true],
      ["linux/s390x", false],
    ]);
    expect(subjects[0]).toMatchObject({
      entrypoint: { value: ["/amd"], origin: { kind: "config", field: "config.Entrypoint" } },
      change: { action: "wrap", entrypoint: ["/initwrap", "--", "/amd"], cmd: null },
    });
    expect(subjects[2]).toMatchObject({ firstProcess: null, change: { action: "none", reason: "absent" } });
    expect((await only([place, "--platform", "linux/arm64"])).cmd.value).toEqual(["/arm", "x"]);
    const missing = await initwrap(["inspect", place, "--platform", "linux/386"], { env: noEngine });
    expect([missing.status, missing.stderr]).toEqual([3, expect.stringContaining("linux/amd64, linux/arm64/v8")]);
    const target = await initwrap(["inspect", place, "--target", "x"], { env: noEngine });
    expect([target.status, target.stderr]).toEqual([2, expect.stringContaining("USAGE")]);
  });

  it("is what is there, not how it is called", async () => {
    const place = join(folder, "Dockerfile.archive");
    await copyFile(join(ROOT, "test/fixtures/samples/app.tar"), place);
    const plain = await inspection([place]);
    expect(plain).toMatchObject({
      kind: "image",
      subjects: [
        {
          firstProcess: { role: "program", program: "/app" },
          entrypoint: { origin: { kind: "history", entry: 2, entries: 3 } },
          cmd: { origin: { kind: "history", entry: 3, entries: 3 } },
        },
      ],
    });
    for (const tool of ["gzip", "zstd"]) {
      await run(tool, ["-k", "-q", place]);
      const compressed = await inspection([`${place}.${tool === "gzip" ? "gz" : "zst"}`]);
      expect(compressed.subjects, tool).toEqual(plain.subjects);
    }
    const both = await layout(sampleImage());
    await writeFile(join(both, "Dockerfile"), "FROM scratch\n");
    expect((await inspection([both])).kind).toBe("image");
    await mkdir(join(folder, "named:like"));
    await writeFile(join(folder, "named:like/Dockerfile"), "FROM scratch\nCMD a\n");
    expect((await inspection(["named:like"])).kind).toBe("dockerfile");
  });

  it("that is wrapped tells so, with the history entry of the wrapping", async () => {
    const place = await layout(sampleImage());
    await initwrapOk(["image", place], { env: noEngine });
    expect(await only([place])).toMatchObject({
      firstProcess: { role: "initwrap", forwardsSignals: true },
      entrypoint: { origin: { kind: "history", entry: 3, entries: 3, createdBy: expect.stringContaining("initwrap") } },
      change: { action: "none", reason: "already" },
    });
    // With other options its init would be exchanged.
    await initwrapOk(["image", place, "--init-arg=-v"], { env: noEngine });
    expect((await only([place])).change).toMatchObject({ action: "renew", entrypoint: ["/initwrap", "--", "/app"] });
  });

  it("that would be refused says why, and is no failure of the run", async () => {
    const s6 = await layout(sampleImage({ config: { Entrypoint: ["/init"] } }));
    expect(await only([s6])).toMatchObject({
      firstProcess: { role: "supervisor", init: "s6-overlay" },
      change: { action: "refused", code: "MUST_BE_PID1" },
    });
    const warned = await layout(
      sampleImage({ config: { Entrypoint: ["/x"], StopSignal: "SIGKILL", OnBuild: ['ENTRYPOINT ["/y"]'] } }),
    );
    expect((await only([warned])).diagnostics.map(({ code }) => code)).toEqual([
      "STOPSIGNAL_KILL",
      "ONBUILD_ENTRYPOINT",
    ]);
    const windows = await layout(sampleImage({ os: "windows", config: { Cmd: ["cmd"] } }));
    expect(await only([windows])).toMatchObject({
      firstProcess: null,
      change: { action: "refused", code: "NOT_LINUX" },
    });
  });
});

/** The sample index without the platform that is not there, which a registry does not take. */
function wholeIndex(): SampleImage {
  const { root, blobs } = sampleIndex();
  const document = JSON.parse(new TextDecoder().decode(blobs.at(-1)!.bytes));
  const there = new Set<string>(blobs.map(({ descriptor }) => descriptor.digest));
  const manifests = document.manifests.filter(({ digest }: { digest: string }) => there.has(digest));
  const bytes = Buffer.from(JSON.stringify({ ...document, manifests }));
  const descriptor = { ...root, digest: digestOf(bytes), size: bytes.length };
  return { root: descriptor, blobs: [...blobs.slice(0, -1), { descriptor, bytes }] };
}

describe("an image in a registry", () => {
  const session = new RegistrySession({ env: { HOME: "/nonexistent" } });
  let registry: TestRegistry;
  beforeAll(async () => {
    if (!registryAvailable) return;
    registry = await startRegistry();
    await putImage(`${registry.host}/team/app:1`, wholeIndex(), session);
  });
  afterAll(async () => {
    await session.close();
    await registry?.stop();
  });
  beforeEach((context) => requireCapability(context, "docker-registry", registryAvailable));

  it("is found by its scheme, and by its bare name where no engine has it", async () => {
    const name = `${registry.host}/team/app:1`;
    const named = await inspection([`registry:${name}`]);
    expect(named).toMatchObject({ source: `registry:${name}`, digest: wholeIndex().root.digest });
    expect(named.subjects).toHaveLength(2);
    expect(await inspection([name])).toEqual(named);
    const missing = await initwrap(["inspect", `${registry.host}/team/none:1`], { env: noEngine });
    expect([missing.status, missing.stderr]).toEqual([3, expect.stringContaining("IMAGE_NOT_FOUND")]);
  });
});

describe.each(["modern", "modern-graph", "classic"] as const)("an image in an engine (%s)", (name) => {
  const engine = findEngine(name);
  beforeEach((context) => requireCapability(context, `docker (${name})`, engine !== undefined));

  it.each([
    ["BuildKit", "1"],
    ["the classic builder", "0"],
  ])("built by %s has its history's entries, the same as a Dockerfile has its lines", async (_, buildkit) => {
    if (!engine) return;
    const tag = freshTag("inspect");
    const text = ["FROM scratch", "COPY Dockerfile /", "STOPSIGNAL SIGINT", "USER 12", 'CMD a "b" $C; exit 3'].join(
      "\n",
    );
    const context = await buildContext(text, []);
    try {
      await engine.docker(["build", "--quiet", "--tag", tag, context], { env: { DOCKER_BUILDKIT: buildkit } });
      const options = { env: { ...env, ...engine.env } };
      const image = await only([tag], options);
      const file = await only([context], options);
      expect(image.platform).toMatchObject({ name: "linux/amd64", present: true });
      expect(image.firstProcess).toEqual(file.firstProcess);
      expect(image.firstProcess?.forwardsSignals).toBe(false);
      expect(image.change).toEqual(file.change);
      for (const field of ["entrypoint", "cmd", "stopSignal", "user"] as const) {
        const { origin, ...setting } = image[field];
        expect(setting, field).toEqual({ ...file[field], origin: undefined });
        expect(origin.kind, field).toBe(field === "entrypoint" ? "unset" : "history");
      }
      expect(image.cmd.origin).toMatchObject({ createdBy: expect.stringContaining("CMD ["), entry: 4, entries: 4 });
      // So that it can be removed by a name when the tag has moved.
      await engine.docker(["tag", tag, `${tag}-before`]);
      await initwrapOk(["image", tag], options);
      expect(await only([`docker:${tag}`], options)).toMatchObject({
        firstProcess: { role: "initwrap" },
        change: { action: "none", reason: "already" },
      });
    } finally {
      await engine.docker(["image", "rm", "--force", tag, `${tag}-before`], { check: false });
      await removeContext(context);
    }
  });

  it("tells the base of a Dockerfile by the engine's word", async () => {
    if (!engine) return;
    const base = freshTag("inspect-base");
    const context = await buildContext('FROM scratch\nCOPY Dockerfile /\nUSER 7\nENTRYPOINT ["/e"]\n', []);
    try {
      await engine.docker(["build", "--quiet", "--tag", base, context], { env: { DOCKER_BUILDKIT: "0" } });
      const file = await dockerfile(`FROM ${base}`, 'CMD ["c"]');
      const origin = { kind: "base", reference: base, source: "daemon", detail: expect.stringMatching(/^sha256:/) };
      expect(await only([file], { env: { ...env, ...engine.env } })).toMatchObject({
        entrypoint: { value: ["/e"], origin },
        user: { value: "7", origin },
      });
    } finally {
      await engine.docker(["image", "rm", "--force", base], { check: false });
      await removeContext(context);
    }
  });
});

describe("the tree", () => {
  const FILE = ["FROM scratch", "USER app", "CMD npm start; true"];

  it("says who is PID 1, why, and what would change", async () => {
    const file = await dockerfile(...FILE);
    const { stdout, stderr } = await initwrapOk(["inspect", file], { env: noEngine });
    expect(stderr).toBe("");
    const text = stdout.toString().replace(file, "FILE");
    expect(text).toBe(`FILE
└─ stage 0, line 1, what a build makes by default
   ├─ PID 1 today  /bin/sh -c: will not forward SIGTERM
   │               the shell waits for its commands and passes no signal on
   ├─ ENTRYPOINT   none
   ├─ CMD          ["/bin/sh","-c","npm start; true"], shell form
   │               line 3: CMD npm start; true
   ├─ stop signal  SIGTERM, the default
   ├─ user         app
   │               line 2: USER app
   ├─ init         none
   ├─ initwrap     would put its init in front
   │               ENTRYPOINT ["/initwrap","--"]
   │               CMD ["/bin/sh","-c","npm start; true"]
   └─ findings     note: line 3: CMD in shell form leaves a shell in front of the program: when a stop ends the shell, the container is over (SHELL_FORM_NO_EXEC)
`);
    const page = await readFile(join(ROOT, "docs/inspect.md"), "utf8");
    expect(page).toContain(`$ initwrap inspect Dockerfile\n${text.replace("FILE", "Dockerfile")}\`\`\`\n`);
  });

  it("tells a shell with nothing to run from a script, and whom nobody could be asked about once", async () => {
    const tree = async (...lines: string[]): Promise<string> => {
      const file = await dockerfile(...lines);
      return (await initwrapOk(["inspect", file, "--offline"], { env: noEngine })).stdout.toString();
    };
    const shell = await tree("FROM scratch", 'CMD ["/bin/sh"]');
    expect(shell).toContain("PID 1 today  /bin/sh: a shell with nothing to run; will not forward SIGTERM");
    expect(await tree("FROM scratch", 'CMD ["sh", "/run"]')).toContain("PID 1 today  sh: a script; will not forward");
    const unknown = await tree("FROM nobody.invalid/it:1", 'ENTRYPOINT ["x"]', "STOPSIGNAL STOP");
    expect(unknown.match(/hangs on nobody\.invalid\/it:1/g)).toHaveLength(1);
    expect(unknown).toContain("CMD          none, unless the base image has a trigger for it");
    expect(unknown).toContain("PID 1 today  x: stands still until it is killed, for no process can handle SIGSTOP");
    const unread = await tree("FROM alpine:", 'ENTRYPOINT ["x"]');
    expect(unread).toContain("ENTRYPOINT   not known without the base image");
  });

  it("has colours on a terminal, and none without, or when they are not wanted", async () => {
    const file = await dockerfile(...FILE);
    const onTerminal = async (extra: NodeJS.ProcessEnv): Promise<string> => {
      const command = `'${process.execPath}' '${CLI}' inspect '${file}'`;
      const child = await run("script", ["-qec", command, "/dev/null"], {
        env: { ...process.env, ...noEngine, TERM: "xterm", ...extra },
      });
      return child.stdout;
    };
    const coloured = "\x1b[31m/bin/sh -c: will not forward SIGTERM";
    expect(await onTerminal({})).toContain(coloured);
    expect(await onTerminal({ NO_COLOR: "1" })).not.toContain("\x1b[");
    const piped = await initwrapOk(["inspect", file], { env: noEngine });
    expect(piped.stdout.toString()).not.toContain("\x1b[");
    const forced = await initwrapOk(["inspect", file], { env: { ...noEngine, FORCE_COLOR: "1" } });
    expect(forced.stdout.toString()).toContain(coloured);
  });

  it("lets no file steer the terminal", async () => {
    const file = await dockerfile("FROM scratch", 'CMD ["\\u001b[2J\\u009b1m"]', "USER \x1b]0;x\x07");
    const { stdout } = await initwrapOk(["inspect", file], { env: noEngine });
    expect(stdout.toString()).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
  });
});

describe("words that are not known", () => {
  it.each([
    [["dockerfil", "Dockerfile"], "Did you mean initwrap dockerfile?"],
    [["inspet"], "Did you mean initwrap inspect?"],
    [["help", "imgae"], "Did you mean initwrap image?"],
    [["--quiet", "dockerfile", "x"], "Did you mean initwrap dockerfile x --quiet?"],
    [["--frobnicate"], "The commands are ci, completion, config, dockerfile"],
    [["inspect", "--tagret", "x"], "Did you mean --target?"],
    [["image", "--dryrun", "x"], "Did you mean --dry-run?"],
    [["dockerfile", "--inject", "inlin"], "Did you mean inline?"],
    [["verify", "x", "--reporter=sarrif"], "Did you mean sarif?"],
    [["ci", "githb"], "Did you mean github?"],
    [["dockerfile", "--write", "--check"], "error[USAGE]: --write and --check exclude each other\n"],
    [["dockerfile", "--write", "--output", "x"], "error[USAGE]: --write and --output exclude each other\n"],
    [["dockerfile", "--service", "x"], "error[USAGE]: --service needs --compose\n"],
  ])("%j", async (args, hint) => {
    const { status, stderr, stdout } = await initwrap(args, { env: noEngine });
    expect([status, stdout.length, stderr]).toEqual([2, 0, expect.stringContaining(hint)]);
  });

  it("are not guessed at when nothing is near", async () => {
    const { status, stderr } = await initwrap(["frobnicate"], { env: noEngine });
    expect(status).toBe(2);
    expect(stderr).not.toContain("did you mean");
    expect(stderr).toContain("there is no command frobnicate");
  });

  it("help with a command's name is that command's help", async () => {
    const { stdout } = await initwrapOk(["help", "inspect"]);
    expect(stdout.toString()).toContain("$ initwrap inspect app:latest");
  });
});
