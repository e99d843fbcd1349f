/** Settings: from flags, variables and .initwrap.yaml, through the CLI's own process. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { commandsOf } from "../../packages/cli/src/reference/command.ts";
import { settingNames } from "../../packages/cli/src/reference/settings.ts";
import { chooseReporter } from "../../packages/cli/src/terminal/reporters/index.ts";
import { LOCK_NAME } from "../../packages/cli/src/wrap/base-lock.ts";
import { CLI, type CliOptions, initwrap, initwrapOk } from "../support/cli.ts";
import { ROOT } from "../support/programs.ts";

const exec = promisify(execFile);
const folders: string[] = [];
let repository: string;

/** Nothing of the machine's own gets into a run. */
const CLEAN = Object.fromEntries(
  Object.keys(process.env)
    .filter((n) => n.startsWith("INITWRAP_"))
    .map((n) => [n, undefined]),
);
const call = (args: readonly string[], { cwd = repository, env = {} }: CliOptions = {}) =>
  initwrap(args, { cwd, env: { ...CLEAN, GITHUB_ACTIONS: undefined, ...env } });

async function place(path: string, ...lines: readonly string[]): Promise<string> {
  const file = join(repository, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${lines.join("\n")}\n`);
  return file;
}

/** One flag of `initwrap config COMMAND ... --json`. */
async function settingOf(command: string, flag: string, args: readonly string[] = [], options: CliOptions = {}) {
  const { stdout, stderr } = await call(["config", command, ...args, "--json"], options);
  const document = JSON.parse(stdout.toString());
  expect(document, stderr).toMatchObject({ version: 1, command: "config" });
  return document.commands[command][flag];
}

beforeEach(async () => {
  repository = await mkdtemp(join(tmpdir(), "initwrap-config-"));
  folders.push(repository);
  await mkdir(join(repository, ".git"));
  await place("Dockerfile", "FROM scratch", 'ENTRYPOINT ["/app"]');
});
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

describe("the order", () => {
  it("is flag, variable, file, built in; for a command before for all", async () => {
    await place(".initwrap.yaml", "init-arg: -v", "image:", "  attestations: keep", "  init-arg: [-g, --grace=3s]");
    const variable = { INITWRAP_IMAGE_ATTESTATIONS: "drop", INITWRAP_INIT_ARG: `-g "--report=/a b"` };
    const fromFile = (line: number, key: string) => ({ source: "file", file: ".initwrap.yaml", line, key });
    expect(await settingOf("image", "progress")).toEqual({ value: "auto", source: "default" });
    expect(await settingOf("image", "attestations")).toEqual({ value: "keep", ...fromFile(3, "image.attestations") });
    expect(await settingOf("image", "init-arg")).toEqual({
      value: ["-g", "--grace=3s"],
      ...fromFile(4, "image.init-arg"),
    });
    expect(await settingOf("dockerfile", "init-arg")).toEqual({ value: ["-v"], ...fromFile(1, "init-arg") });
    expect(await settingOf("image", "attestations", [], { env: variable })).toEqual({
      value: "drop",
      source: "variable",
      variable: "INITWRAP_IMAGE_ATTESTATIONS",
    });
    expect(await settingOf("image", "init-arg", [], { env: variable })).toEqual({
      value: ["-g", "--report=/a b"],
      source: "variable",
      variable: "INITWRAP_INIT_ARG",
    });
    expect(await settingOf("image", "attestations", ["--attestations", "keep"], { env: variable })).toEqual({
      value: "keep",
      source: "flag",
    });
  });

  it("is what a run does", async () => {
    await place(".initwrap.yaml", "init:", "  grace: 10s", "  rewrite: [TERM:QUIT, HUP:INT]", "  group: false");
    const entrypoint = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
      const { stdout, stderr } = await call(["dockerfile", "--diff", ...args], { env });
      return stdout.toString().match(/^\+ENTRYPOINT (.*)$/m)?.[1] ?? stderr;
    };
    const file = '["/initwrap", "--grace=10s", "--rewrite=TERM:QUIT,HUP:INT", "--no-group", "--", "/app"]';
    expect(await entrypoint([])).toBe(file);
    expect(await entrypoint(["--no-config"])).toBe('["/initwrap", "--", "/app"]');
    expect(await entrypoint([], { INITWRAP_DOCKERFILE_INIT_ARG: "-g" })).toBe('["/initwrap", "-g", "--", "/app"]');
    expect(await entrypoint(["--init-arg=-v"], { INITWRAP_INIT_ARG: "-g" })).toBe('["/initwrap", "-v", "--", "/app"]');
  });

  it("lets a flag switch off what is set, and what excludes it give way", async () => {
    await place(".initwrap.yaml", "dockerfile:", "  write: true", "  platform: linux/amd64");
    const before = await readFile(join(repository, "Dockerfile"), "utf8");
    expect((await call(["dockerfile", "--check"])).status).toBe(1);
    expect((await call(["dockerfile", "--no-write"])).stdout.toString()).toContain(
      'ENTRYPOINT ["/initwrap", "--", "/app"]',
    );
    expect((await call(["dockerfile", "--no-write", "--check"])).status).toBe(1);
    expect((await call(["dockerfile"], { env: { INITWRAP_DOCKERFILE_WRITE: "0" } })).stdout.length).toBeGreaterThan(0);
    expect(await readFile(join(repository, "Dockerfile"), "utf8")).toBe(before);
    expect(await settingOf("dockerfile", "write", ["--check"])).toMatchObject({ unused: "not together with --check" });
    expect(await settingOf("dockerfile", "write", ["--no-write"])).toEqual({ value: false, source: "flag" });
    expect((await call(["dockerfile"])).stderr).toContain("wrote ");
    expect(await readFile(join(repository, "Dockerfile"), "utf8")).not.toBe(before);
  });

  it("leaves out what needs a flag that is not there", async () => {
    await place(".initwrap.yaml", "image: { jobs: 3 }", "verify: { timeout: 1.50 }");
    expect(await settingOf("image", "jobs")).toMatchObject({ value: "3", unused: "needs --from" });
    expect(await settingOf("image", "jobs", ["--from", "list"])).not.toHaveProperty("unused");
    expect(await settingOf("verify", "timeout", ["--run"])).toMatchObject({ value: "1.50" });
    const { status, stderr } = await call(["image", "nothing.tar"]);
    expect([status, stderr]).toEqual([3, expect.stringContaining("INPUT_NOT_FOUND")]);
  });
});

describe("the file", () => {
  it("is found above the working directory, up to the repository's root, and its paths count from its folder", async () => {
    await place(".initwrap.yaml", "lock-file: locks/base.lock", "generate: { template: ../own }");
    await place("a/b/Dockerfile", "FROM scratch", 'ENTRYPOINT ["/app"]');
    const cwd = join(repository, "a/b");
    expect(await settingOf("dockerfile", "lock-file", [], { cwd })).toMatchObject({
      value: "../../locks/base.lock",
      file: "../../.initwrap.yaml",
      line: 1,
    });
    expect(await settingOf("generate", "template", [], { cwd })).toMatchObject({ value: "../../../own" });
    expect(await settingOf("dockerfile", "lock-file")).toMatchObject({ value: "locks/base.lock" });
    const { stderr } = await call(["dockerfile", "--lock"], { cwd, env: { DOCKER_HOST: "unix:///nowhere" } });
    expect(stderr).not.toContain("error");
    // A repository in it is another one, with settings of its own.
    await mkdir(join(cwd, ".git"));
    expect(await settingOf("dockerfile", "lock-file", [], { cwd })).toEqual({
      value: "initwrap.lock",
      source: "default",
    });
  });

  it("counts outside of a repository only in the working directory itself", async () => {
    await rm(join(repository, ".git"), { recursive: true });
    await place(".initwrap.yaml", "offline: true");
    await place("a/Dockerfile", "FROM scratch");
    expect(await settingOf("dockerfile", "offline")).toMatchObject({ value: true });
    expect(await settingOf("dockerfile", "offline", [], { cwd: join(repository, "a") })).toEqual({
      value: false,
      source: "default",
    });
  });

  it("is looked for without a fuss where a folder above cannot be looked at, or the working directory is gone", async () => {
    const cwd = join(repository, "deep/er");
    await mkdir(cwd, { recursive: true });
    await symlink(".git", join(repository, "deep/.git"));
    expect((await call(["ci", "tekton"], { cwd })).status).toBe(0);
    const gone = `cd ${JSON.stringify(cwd)} && rmdir "$PWD" && exec "$0" "$@"`;
    const { stdout } = await exec("sh", ["-c", gone, process.execPath, CLI, "ci", "tekton"]);
    expect(stdout).toContain("IMAGE_DIGEST");
  });

  it("is the one that --config or INITWRAP_CONFIG names, and none with --no-config", async () => {
    await place(".initwrap.yaml", "reporter: github");
    await place("other.yaml", "reporter: sarif");
    const env = { INITWRAP_CONFIG: "other.yaml" };
    expect(await settingOf("verify", "reporter", ["--config", "other.yaml"])).toMatchObject({
      value: "sarif",
      line: 1,
    });
    expect(await settingOf("verify", "reporter", [], { env })).toMatchObject({ value: "sarif", file: "other.yaml" });
    expect(await settingOf("verify", "reporter", ["--config=.initwrap.yaml"], { env })).toMatchObject({
      value: "github",
    });
    expect(await settingOf("verify", "reporter", ["--no-config"], { env })).toEqual({
      value: "pretty",
      source: "default",
    });
    const { status, stderr } = await call(["inspect", "--config", "nowhere.yaml"]);
    expect([status, stderr]).toEqual([3, expect.stringContaining("error[INPUT_NOT_FOUND]: nowhere.yaml: ")]);
  });

  it.each([
    [["reporter: githb"], "1:11", "reporter: githb is none of its values", "Did you mean github?"],
    [["quiet: true", "dockerfil:", "  write: true"], "2:1", "there is no dockerfil", "Did you mean dockerfile?"],
    [
      ["dockerfile:", "  inject: inline", "  injct: x"],
      "3:3",
      "there is no injct in dockerfile",
      "Did you mean inject?",
    ],
    [["Quiet: true"], "1:1", "there is no Quiet", "Did you mean quiet?"],
    [["replace_init: true"], "1:1", "there is no replace_init", "Did you mean replace-init?"],
    [["write: true"], "1:1", "there is no write", "write it under dockerfile:"],
    [["grace: 10s"], "1:1", "there is no grace", "write it under init: or probe:"],
    [["dockerfile: { grace: 10s }"], "1:15", "there is no grace in dockerfile", "write it under init:"],
    [["run: { grace: 10s }"], "1:1", "there is no run", "initwrap run has no settings: write the init's options under"],
    [["completion: {}"], "1:1", "there is no completion", "initwrap completion has no settings"],
    [["no-config: true"], "1:1", "there is no no-config", "which file counts is said by --config"],
    [["init:", "  graec: 3"], "2:3", "there is no graec in init", "Did you mean grace?"],
    [["init: { verbose: true }", "init-arg: -g"], "2:1", "init and init-arg are both here", "use one of them"],
    [["- quiet"], "1:1", "the file is expected to be a map", ""],
    [["quiet"], "1:1", "the file is expected to be a map", ""],
    [["dockerfile: [1]"], "1:13", "dockerfile is expected to be a map", ""],
    [["dockerfile: inline"], "1:13", "dockerfile is expected to be a map", ""],
    [["? [a]", ": b"], "1:3", "a key is expected to be a word", ""],
    [["image:", "  jobs: [1, 2]"], "2:9", "image.jobs takes one value", ""],
    [["image:", "  jobs: many"], "2:9", "image.jobs: many is no whole number above 0", ""],
    [["verify:", "  timeout: 10s"], "2:12", "verify.timeout: 10s is no number of seconds", "without a unit"],
    [["platform:", "  - linux/amd64", "  - a/b/c/d"], "3:5", "platform: a/b/c/d is no platform", "linux/amd64"],
    [["platform: [linux/amd64, [linux/arm64]]"], "1:25", "platform takes words, and here is a list", ""],
    [["init: { rewrite: { TERM: QUIT } }"], "1:18", "init.rewrite takes words, and here is a map", ""],
    [
      ["image:", "  undo: maybe"],
      "2:9",
      "image.undo is neither true nor false",
      "Write true or false, without quotes.",
    ],
    [["quiet: yes"], "1:8", "quiet is neither true nor false", ""],
    [['quiet: "true"'], "1:8", "quiet is neither true nor false", ""],
    [["platform:"], "1:10", "platform has no value", ""],
    [
      ["image:", "  undo: true", "  replace-init: true"],
      "3:3",
      "--replace-init and --undo (.initwrap.yaml:2:3) exclude each other",
      "",
    ],
    [["quiet: true", "quiet: false"], "2:1", "quiet is here a second time", "Keep one of them."],
    [["image:", "  jobs: 1", "  jobs: 1"], "3:3", "jobs is here a second time", ""],
    [["dockerfile:", "\tinject: inline"], "2:1", "not YAML: a tab in the indentation", "Indent with spaces."],
    [["reporter: [github"], "2:1", "not YAML: ", ""],
    [["reporter: !upper github"], "1:11", "not YAML: Unresolved tag", ""],
    [["quiet: true", "---", "quiet: false"], "2:1", "one document is expected", ""],
    [["offline: &a true", "quiet: *a"], "2:8", "references to other places", "Write the value."],
    [["dockerfile: &a { force: true }", "image:", "  <<: *a"], "3:7", "references to other places", "Write the value."],
  ])("refuses %j by its place", async (lines, place_, message, hint) => {
    await place(".initwrap.yaml", ...lines);
    const { status, stdout } = await call(["image", "app.tar", "--dry-run", "--json"]);
    const { error } = JSON.parse(stdout.toString());
    expect([status, error.code, error.where]).toEqual([3, "CONFIG_INVALID", `.initwrap.yaml:${place_}`]);
    expect(error.message).toContain(message);
    expect(error.hint ?? "").toContain(hint);
  });

  it("is the place of a value that only the command itself finds wrong", async () => {
    const failure = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
      const { stdout } = await call([...args, "--json"], { env });
      const { code, where, message } = JSON.parse(stdout.toString()).error;
      return [code, where, message];
    };
    await place("list", "app.tar");
    const init = "the init does not take these options: ";
    await place(".initwrap.yaml", "image: { jobs: 1000 }", "init: { grace: ten }");
    expect(await failure(["image", "--from", "list"])).toEqual([
      "CONFIG_INVALID",
      ".initwrap.yaml:1:10",
      "--jobs: 1000 is no number from 1 to 256",
    ]);
    const grace = [".initwrap.yaml:2:1", `${init}bad value for grace: 'ten'`];
    expect(await failure(["dockerfile"])).toEqual(["CONFIG_INVALID", ...grace]);
    const variable = { INITWRAP_INIT_ARG: "--bogus", INITWRAP_IMAGE_JOBS: "999" };
    expect(await failure(["image", "--from", "list"], variable)).toEqual([
      "USAGE",
      "INITWRAP_IMAGE_JOBS",
      "--jobs: 999 is no number from 1 to 256",
    ]);
    const bogus = ["INITWRAP_INIT_ARG", `${init}unrecognized option '--bogus'`];
    expect(await failure(["dockerfile"], variable)).toEqual(["USAGE", ...bogus]);
    // What was typed has no other place.
    expect(await failure(["dockerfile", "--init-arg=--bogus"])).toEqual(["USAGE", undefined, bogus[1]]);
    await place(".initwrap.yaml", "dockerfile:", "  platform: linux/pdp11");
    expect((await failure(["dockerfile"])).slice(0, 2)).toEqual(["NO_INIT_FOR_PLATFORM", ".initwrap.yaml:2:3"]);
  });

  it("takes commas where the flag does, an empty section, and a byte order mark", async () => {
    await place(".initwrap.yaml", "\uFEFFplatform: linux/amd64, linux/arm64", "dockerfile:", "init:", "  # grace: 3s");
    expect(await settingOf("dockerfile", "platform")).toEqual({
      value: ["linux/amd64", "linux/arm64"],
      source: "file",
      file: ".initwrap.yaml",
      line: 1,
      key: "platform",
    });
    expect((await call(["dockerfile", "--check"])).status).toBe(1);
  });

  it("that is no text is refused", async () => {
    await writeFile(join(repository, ".initwrap.yaml"), Buffer.from([0xff, 0xfe, 0x61]));
    expect((await call(["inspect"])).stderr).toBe(
      "error[CONFIG_INVALID]: .initwrap.yaml: the configuration file is not UTF-8 text\n",
    );
  });

  it("counts alone: config names those above it that do not", async () => {
    await place(".initwrap.yaml", "reporter: sarif");
    await place("a/.initwrap.yaml", "offline: true");
    const cwd = join(repository, "a");
    expect(await settingOf("verify", "reporter", [], { cwd })).toEqual({ value: "pretty", source: "default" });
    const { stdout, stderr } = await call(["config", "verify"], { cwd });
    expect(stdout.toString()).toMatch(/^configuration file: \.initwrap\.yaml\n/);
    expect(stderr).toBe("../.initwrap.yaml does not count: the nearest file does, alone\n");
  });

  it("by a slightly other name is refused and not passed over", async () => {
    await place(".initwrap.yml", "offline: true");
    const { status, stderr } = await call(["inspect"]);
    expect([status, stderr]).toEqual([3, expect.stringContaining("the configuration file is called .initwrap.yaml")]);
    expect(stderr).toContain("hint: Rename it");
    await place(".initwrap.yaml", "offline: true");
    expect((await call(["inspect"])).stderr).toContain("hint: There is one beside it: put both into it.");
  });

  it("is told of to people by the line, before anything is looked at", async () => {
    await place(".initwrap.yaml", "quiet: false", "offlin: true");
    const { status, stdout, stderr } = await call(["image", "app.tar"]);
    expect([status, stdout.length]).toEqual([3, 0]);
    expect(stderr).toBe("error[CONFIG_INVALID]: .initwrap.yaml:2:1: there is no offlin\nhint: Did you mean offline?\n");
  });

  it("may be empty, or hold comments only", async () => {
    for (const lines of [[""], ["# nothing yet"], ["---"]]) {
      await place(".initwrap.yaml", ...lines);
      expect((await call(["inspect"])).status).toBe(0);
    }
  });

  it("is what the published schema describes, with the same verdict", async () => {
    const schema = JSON.parse(await readFile(join(ROOT, "schemas/initwrap.schema.json"), "utf8"));
    const valid = new Ajv2020({ strict: false }).compile(schema);
    const files = [
      [
        "reporter: github",
        "init: { grace: 10s, rewrite: [TERM:QUIT], verbose: true }",
        "image: { jobs: 3, tag: [a, b] }",
      ],
      ["dockerfile: { inject: inline, init-arg: -v, write: false }", "insecure-registry: registry.local:5000"],
      ["dockerfile: { injct: inline }"],
      ["reporter: xml"],
      ["image: { jobs: [1] }"],
      ["init: { grase: 1 }"],
      ["verify: { run: 1 }"],
      ["platform: []"],
      ["dockerfile:", "init:"],
      ["run: { grace: 1 }"],
      ["config: { all: true }"],
    ];
    for (const lines of files) {
      await place(".initwrap.yaml", ...lines);
      const { status, stderr } = await call(["config"]);
      expect(status === 0, `${lines} ${stderr}`).toBe(valid(parse(lines.join("\n"))));
    }
  });
});

describe("variables", () => {
  it("have names that are neither each other's nor the init's nor a build argument's of the frontend", async () => {
    const manifest = JSON.parse(await readFile(join(ROOT, "packages/cli/oclif.manifest.json"), "utf8"));
    const commands = commandsOf(manifest);
    const names = settingNames(commands).map(({ variable }) => variable);
    expect(new Set(names).size).toBe(names.length);
    const others = await Promise.all(
      ["init.md", "frontend.md"].map(async (page) =>
        (await readFile(join(ROOT, "docs", page), "utf8")).match(/INITWRAP_[A-Z_]+/g),
      ),
    );
    expect(others.flat()).toContain("INITWRAP_GRACE");
    expect(others.flat()).toContain("INITWRAP_PLATFORMS");
    // The frontend's build argument of that name means what the flag means.
    expect(names.filter((name) => others.flat().includes(name))).toEqual(["INITWRAP_REPLACE_INIT"]);
    // Every flag of every command that has settings has one.
    for (const { name, flags } of commands.filter(({ name }) => !["run", "config", "completion"].includes(name))) {
      for (const flag of flags.filter(({ name }) => name !== "config" && name !== "no-config")) {
        expect(names).toContain(`INITWRAP_${name}_${flag.name}`.replaceAll("-", "_").toUpperCase());
      }
    }
  });

  it("of the init change nothing, whatever they hold", async () => {
    const page = await readFile(join(ROOT, "docs/init.md"), "utf8");
    const env = Object.fromEntries([...page.matchAll(/INITWRAP_[A-Z_]+[A-Z]/g)].map(([name]) => [name, "no sense"]));
    expect(Object.keys(env).length).toBeGreaterThan(8);
    for (const args of [["dockerfile", "--diff"], ["inspect"], ["ci", "tekton"], ["--help"]]) {
      expect(await call(args, { env })).toEqual(await call(args));
    }
    const { stderr, stdout } = await call(["config", "dockerfile"], { env });
    expect(stdout.toString()).toContain("no configuration file");
    expect(stderr).toContain("INITWRAP_GRACE is a variable of the init, and no setting\n");
  });

  it("that are empty count as not set, and one that is mistyped is named by config", async () => {
    const env = { INITWRAP_DOCKERFILE_CHECK: "", INITWRAP_DOCKERFILE_INJCT: "inline" };
    expect((await call(["dockerfile", "--diff"], { env })).status).toBe(0);
    expect((await call(["config"], { env })).stderr).toBe(
      "INITWRAP_DOCKERFILE_INJCT is no setting; did you mean INITWRAP_DOCKERFILE_INJECT?\n",
    );
  });

  it.each([
    [
      { INITWRAP_DOCKERFILE_INJECT: "inlin" },
      "INITWRAP_DOCKERFILE_INJECT: --inject: inlin is none of its values",
      "Did you mean inline?",
    ],
    [{ INITWRAP_OFFLINE: "perhaps" }, "INITWRAP_OFFLINE: perhaps is neither yes nor no", "true or false"],
    [{ INITWRAP_GENERATE_PORT: "http" }, "INITWRAP_GENERATE_PORT: --port: http is no whole number above 0", ""],
  ])("with a value that the flag does not take are refused: %j", async (env, message, hint) => {
    const { status, stderr } = await call(["generate", "--dry-run"], { env });
    expect([status, stderr]).toEqual([2, expect.stringContaining(`error[USAGE]: ${message}`)]);
    expect(stderr).toContain(hint);
  });

  it("say how a run tells things: json, quiet, color, reporter", async () => {
    const json = await call(["inspect"], { env: { INITWRAP_JSON: "1" } });
    expect(JSON.parse(json.stdout.toString())).toMatchObject({ command: "inspect" });
    const failed = await call(["inspect", "--nope"], { env: { INITWRAP_JSON: "yes" } });
    expect(JSON.parse(failed.stdout.toString()).error.code).toBe("USAGE");
    expect((await call(["dockerfile", "--check"], { env: { INITWRAP_QUIET: "on" } })).stderr).toBe("");
    const coloured = await call(["inspect"], { env: { INITWRAP_COLOR: "always", NO_COLOR: "1" } });
    expect(coloured.stdout.toString()).toContain("\x1b[");
    const plain = await call(["inspect", "--color", "never"], { env: { FORCE_COLOR: "1" } });
    expect(plain.stdout.toString()).not.toContain("\x1b[");
    await place("Dockerfile", "FROM scratch", "STOPSIGNAL KILL", 'CMD ["/a"]');
    const github = await call(["dockerfile", "--check"], { env: { INITWRAP_DOCKERFILE_REPORTER: "github" } });
    expect(github.stderr).toContain("::warning file=Dockerfile,line=2");
  });

  it("hold lists: words as a shell splits them, and commas where the flag takes them", async () => {
    const env = { INITWRAP_PLATFORM: "linux/amd64, linux/arm64 linux/386", INITWRAP_BUILD_ARG: `A=1,2 'B=x y'` };
    expect(await settingOf("dockerfile", "platform", [], { env })).toMatchObject({
      value: ["linux/amd64", "linux/arm64", "linux/386"],
    });
    expect(await settingOf("dockerfile", "build-arg", [], { env })).toMatchObject({ value: ["A=1,2", "B=x y"] });
  });
});

describe("initwrap config", () => {
  it("prints a document of its schema, with and without --all", async () => {
    const schema = JSON.parse(await readFile(join(ROOT, "schemas/config.schema.json"), "utf8"));
    const valid = new Ajv2020({ strict: false }).compile(schema);
    await place(".initwrap.yaml", "reporter: github", "image: { jobs: 4 }");
    for (const args of [[], ["--all"], ["image", "--all", "--push"], ["dockerfile", "--check"]]) {
      const { stdout } = await call(["config", ...args, "--json"], {
        env: { INITWRAP_OFFLINE: "1", INITWRAP_GRACE: "1" },
      });
      const document = JSON.parse(stdout.toString());
      expect(valid(document), JSON.stringify(valid.errors)).toBe(true);
      expect(document.otherVariables).toEqual(["INITWRAP_GRACE"]);
    }
  });

  it("prints what docs/config.md shows", async () => {
    const page = await readFile(join(ROOT, "docs/config.md"), "utf8");
    const [, file = ""] = /```yaml\n(.*?)```/s.exec(page) ?? [];
    const [, shown = ""] = /```console\n\$ initwrap config image\n(.*?)```/s.exec(page) ?? [];
    await place(".initwrap.yaml", file);
    expect((await call(["config", "image"])).stdout.toString()).toBe(shown);
    expect(shown).toContain("not used: needs --from");
  });

  it("is a table for people: value and place, and with --all what has no value and every variable's name", async () => {
    await place(".initwrap.yaml", "# ours", "image:", "  tag: [a, b]");
    const { stdout } = await call(["config", "image"], { env: { INITWRAP_OFFLINE: "1" } });
    expect(stdout.toString().replace(/ +/g, " ")).toBe(
      [
        "configuration file: .initwrap.yaml",
        "",
        "image",
        " --tag a b .initwrap.yaml:3 (image.tag)",
        " --push no built in",
        " --jobs 8 built in, not used: needs --from",
        ...["fail-fast", "dry-run", "check", "undo", "replace-init", "force"].map((flag) => ` --${flag} no built in`),
        " --attestations drop built in",
        " --verify-path no built in",
        " --progress auto built in",
        " --json no built in",
        " --quiet no built in",
        " --color auto built in",
        "",
      ].join("\n"),
    );
    const all = (await call(["config", "image", "--all"])).stdout.toString();
    expect(all).toMatch(/\n {2}--shard +- +INITWRAP_IMAGE_SHARD\n/);
    expect(all).toMatch(/\n {2}--progress +auto +built in \(INITWRAP_IMAGE_PROGRESS\)\n/);
  });

  it("has every flag of every command with its value, and no other", async () => {
    const manifest = JSON.parse(await readFile(join(ROOT, "packages/cli/oclif.manifest.json"), "utf8"));
    const { stdout } = await call(["config", "--all", "--json"]);
    const shown = JSON.parse(stdout.toString()).commands as Record<string, Record<string, { source: string }>>;
    const commands = commandsOf(manifest).filter(({ name }) => !["run", "config", "completion"].includes(name));
    const flagsOf = (flags: readonly { readonly name: string }[]) => flags.map(({ name }) => name);
    expect(Object.fromEntries(Object.entries(shown).map(([name, flags]) => [name, Object.keys(flags)]))).toEqual(
      Object.fromEntries(commands.map(({ name, flags }) => [name, flagsOf(flags)])),
    );
    // Without a value are only names, places and lists of which there are none.
    const without = Object.entries(shown).flatMap(([command, flags]) =>
      Object.entries(flags).flatMap(([flag, { source }]) => (source === "none" ? [`${command}.${flag}`] : [])),
    );
    expect(
      without.filter((name) => /timeout|grace|jobs|delay|orphans|inject|format|progress|reporter$/.test(name)),
    ).toEqual([]);
    expect(without).toContain("dockerfile.target");
  });

  it("says what is built in as the commands do it", async () => {
    const built = async (command: string, flag: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) =>
      (await settingOf(command, flag, args, { env })) ?? {};
    expect(await built("dockerfile", "lock-file")).toEqual({ value: LOCK_NAME, source: "default" });
    expect(await built("inspect", "lock-file")).toEqual({ value: LOCK_NAME, source: "default" });
    for (const env of [{}, { GITHUB_ACTIONS: "true" }]) {
      const value = chooseReporter(undefined, env);
      const place = value === "github" ? { source: "variable", variable: "GITHUB_ACTIONS" } : { source: "default" };
      expect(await built("verify", "reporter", [], env)).toEqual({ value, ...place });
      expect(await built("dockerfile", "reporter", [], env)).toEqual({ value, ...place });
    }
    const image = `a/b@sha256:${"0".repeat(64)}`;
    for (const args of [[], ["--write"], ["--init-image", image], ["-o", "new"]]) {
      await place("Dockerfile", "FROM scratch", 'ENTRYPOINT ["/app"]');
      const { stdout } = await call(["dockerfile", ...args, "--json"]);
      const { inject } = JSON.parse(stdout.toString());
      expect(await built("dockerfile", "inject", args), args.join(" ")).toEqual({ value: inject, source: "default" });
    }
    await place("project/index.html", "");
    for (const args of [[], ["-o", "-"], ["--init-image", image], ["--inject", "inline"]]) {
      const { stdout } = await call(["generate", "project", ...args, "--dry-run", "--json", "--offline"]);
      const { files, dockerfile } = JSON.parse(stdout.toString()) as Record<string, string & { path: string }[]>;
      const carried = (files ?? []).flatMap(
        ({ path }) => /^\.initwrap\/(linux)-(amd64|arm64)\//.exec(path)?.slice(1).join("/") ?? [],
      );
      const inject = carried.length > 0 ? "context" : dockerfile?.includes(image) ? "image" : "inline";
      expect((await built("generate", "inject", args))["value"], args.join(" ")).toBe(inject);
      expect((await built("generate", "platform", args))["value"], args.join(" ")).toEqual(
        carried.length > 0 ? carried : undefined,
      );
    }
    expect(await built("probe", "network")).toEqual({ value: "none", source: "default" });
    expect(await built("probe", "delay", ["--ready", "x"])).toMatchObject({
      value: "1",
      unused: "not together with --ready",
    });
    expect(await built("verify", "timeout")).toMatchObject({ value: "10", unused: "needs --run" });
    expect(await built("verify", "timeout", ["--run"])).toEqual({ value: "10", source: "default" });
  });

  it("has the registries of INITWRAP_INSECURE_REGISTRIES among those that need no TLS", async () => {
    const env = { INITWRAP_INSECURE_REGISTRIES: "a:1, b:2" };
    expect(await settingOf("image", "insecure-registry", [], { env })).toEqual({
      value: ["a:1", "b:2"],
      source: "variable",
      variable: "INITWRAP_INSECURE_REGISTRIES",
    });
    await place(".initwrap.yaml", "insecure-registry: c:3");
    expect(await settingOf("image", "insecure-registry", [], { env })).toMatchObject({
      value: ["a:1", "b:2", "c:3"],
      source: "file",
      also: "INITWRAP_INSECURE_REGISTRIES",
    });
  });

  it("shows no secret, whether a name or its looks give it away", async () => {
    const secrets = ["hunter2", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "AKIAABCDEFGHIJKLMNOP", "s3cr3t"];
    await place(
      ".initwrap.yaml",
      "build-arg:",
      `  - NPM_TOKEN=${secrets[0]}`,
      "  - VERSION=1",
      `  - X=${secrets[1]}`,
      `  - KEY_ID=${secrets[2]}`,
      `ci: { image: "https://user:${secrets[3]}@registry.example/app" }`,
    );
    for (const args of [
      ["config"],
      ["config", "--json"],
      ["config", "dockerfile", "--build-arg", `PASSWORD=${secrets[0]}`],
    ]) {
      const { stdout, stderr } = await call(args);
      const text = stdout.toString() + stderr;
      for (const secret of secrets) expect(text).not.toContain(secret);
      expect(text).toContain("***");
    }
    const { stdout, stderr } = await call(["config", "dockerfile"]);
    expect(stdout.toString()).toContain("VERSION=1");
    expect(stderr).toBe(
      ".initwrap.yaml:1 (build-arg) looks like a secret: keep it out of the repository, in a variable\n",
    );
    for (const line of [
      `reporter: ${secrets[1]}`,
      `${secrets[1]}: 1`,
      `? !${secrets[1]} a`,
      `${secrets[1]}: 1, ${secrets[1]}: 1`,
    ]) {
      await place(".initwrap.yaml", line);
      const refused = await call(["config"]);
      expect(refused.status, line).toBe(3);
      expect(refused.stderr).not.toContain(secrets[1]);
    }
  });

  it("names a command that has settings, or says that there is none", async () => {
    expect((await call(["config", "imge"])).stderr).toContain("Did you mean initwrap image?");
    expect((await call(["config", "run"])).status).toBe(2);
    expect((await call(["config", "image", "--nope"])).stderr).toContain("there is no flag --nope");
  });
});

it("what standard input holds is no argument", async () => {
  for (const args of [["dockerfile", "--check"], ["generate", "--dry-run", "--stack", "static"], ["ci"], ["config"]]) {
    const piped = await initwrap(args, { cwd: repository, env: CLEAN, input: "tekton\n" });
    const closed = await initwrap(args, { cwd: repository, env: CLEAN });
    expect(piped).toEqual(closed);
  }
});

it("registries that may be reached without TLS are known to commands that look a base up", async () => {
  const { stdout } = await initwrapOk(["config", "dockerfile", "--json"], {
    cwd: repository,
    env: { ...CLEAN, INITWRAP_INSECURE_REGISTRY: "registry.local:5000 other:80" },
  });
  expect(JSON.parse(stdout.toString()).commands.dockerfile["insecure-registry"].value).toEqual([
    "registry.local:5000",
    "other:80",
  ]);
});
