/** The files of `initwrap ci`: valid, in step with those that are committed, and run as their systems run them. */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { RegistrySession } from "../../packages/cli/src/store/registry/session.ts";
import { RENDERED } from "../../scripts/render-ci.mjs";
import { requireCapability } from "../support/capability.ts";
import { CLI, initwrap, initwrapOk } from "../support/cli.ts";
import { requireEngine } from "../support/engine.ts";
import { type Action, type Runner, runAction, runSteps, type Step } from "../support/github-runner.ts";
import { type Outcome, outcomeOf } from "../support/outcome.ts";
import { ROOT } from "../support/programs.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { putImage } from "../support/registry-image.ts";
import { readIndex, twoPlatforms, WRAPPED } from "../support/two-platforms.ts";
import { schemaErrors } from "../support/workflow-schemas.ts";

const PROVIDERS = [
  "github",
  "github-action",
  "gitlab",
  "tekton",
  "jenkins",
  "circleci",
  "pre-commit",
  "pre-commit-hooks",
];
const session = new RegistrySession({ env: { HOME: "/nonexistent" } });
let registry: TestRegistry;
let folder: string;
let version: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-ci-"));
  version = JSON.parse(await readFile(join(ROOT, "packages/cli/package.json"), "utf8")).version;
  // What npx would fetch and run is this version's program, and no other.
  await mkdir(join(folder, "bin"));
  const npx = `#!/bin/sh
[ "$1" = --yes ] || exit 99
shift
# Nowhere may npm read the project's files.
[ "$1" = --prefix ] && [ -d "$2" ] && [ -z "$(ls -A "$2")" ] && shift 2 || exit 98
[ "$1" = "initwrap@${version}" ] || exit 96
shift
exec "${process.execPath}" "${CLI}" "$@"
`;
  await writeFile(join(folder, "bin/npx"), npx, { mode: 0o755 });
  const path = [join(folder, "bin"), dirname(process.execPath), process.env["PATH"]].join(delimiter);
  env = { PATH: path, HOME: folder, LANG: "C.UTF-8" };
  if (registryAvailable) registry = await startRegistry();
});
afterAll(async () => {
  await session.close();
  await registry?.stop();
  await rm(folder, { recursive: true });
});

async function ci(...args: string[]): Promise<string> {
  return (await initwrapOk(["ci", ...args])).stdout.toString();
}

/** An image of two platforms under a fresh name. */
async function freshImage(name: string): Promise<string> {
  const place = `${registry.host}/ci/${name}:1`;
  await putImage(place, twoPlatforms(), session);
  return place;
}

function run(program: string, args: readonly string[], cwd: string, more: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  return outcomeOf(spawn(program, args, { cwd, env: { ...env, ...more }, stdio: ["ignore", "pipe", "pipe"] }));
}

async function workspace(): Promise<string> {
  return mkdtemp(join(folder, "work-"));
}

describe("initwrap ci", () => {
  it.each(Object.entries(RENDERED))("%s is what it prints", async (file, provider) => {
    expect(await readFile(join(ROOT, file), "utf8"), "node scripts/render-ci.mjs renders it anew").toBe(
      await ci(provider),
    );
  });

  it("names the release it comes from, in every file", async () => {
    for (const provider of PROVIDERS) expect(await ci(provider), provider).toContain(version);
  });

  it("writes a file with the folders that lead to it, and replaces none that differs unless told to", async () => {
    const cwd = await workspace();
    const file = join(cwd, ".github/workflows/image.yml");
    const call = ["ci", "github", "-o", file];
    expect((await initwrapOk(call)).stdout.length).toBe(0);
    expect(await readFile(file, "utf8")).toBe(await ci("github"));
    await initwrapOk(call);
    await writeFile(file, "mine\n");
    const refused = await initwrap(call);
    expect([refused.status, refused.stderr]).toEqual([5, expect.stringContaining("OUTPUT_EXISTS")]);
    expect(await readFile(file, "utf8")).toBe("mine\n");
    await initwrapOk([...call, "--force"]);
    expect(await readFile(file, "utf8")).toBe(await ci("github"));
    const impossible = await initwrap(["ci", "github", "-o", join(file, "below")]);
    expect([impossible.status, impossible.stderr]).toEqual([7, expect.stringContaining("OUTPUT_NOT_WRITTEN")]);
    // Nobody can make a folder there, which Node's own recursive mkdir does not notice.
    const nowhere = await initwrap(["ci", "github", "-o", "/proc/self/made/up/image.yml"]);
    expect([nowhere.status, nowhere.stderr]).toEqual([7, expect.stringContaining("OUTPUT_NOT_WRITTEN")]);
  });

  it("prints with --json a document of its schema, whether it writes the file or not", async () => {
    const schema = JSON.parse(await readFile(join(ROOT, "schemas/ci.schema.json"), "utf8"));
    const valid = new Ajv2020({ strictTypes: false, allowUnionTypes: true, strictRequired: false }).compile(schema);
    for (const provider of PROVIDERS) {
      const printed = JSON.parse(await ci(provider, "--json"));
      expect(valid(printed), JSON.stringify(valid.errors)).toBe(true);
      expect(valid({ ...printed, text: undefined, extra: 1 })).toBe(false);
      const written = JSON.parse(await ci(provider, "--json", "-o", join(folder, "json", provider)));
      expect(valid(written), JSON.stringify(valid.errors)).toBe(true);
      expect(valid({ ...written, text: "twice" })).toBe(false);
    }
    expect(schema.properties.provider.enum).toEqual(PROVIDERS);
  });

  it("prints one document with --json", async () => {
    expect(JSON.parse(await ci("gitlab", "--json"))).toEqual({
      version: 1,
      provider: "gitlab",
      place: "templates/initwrap.yml",
      written: null,
      text: await ci("gitlab"),
    });
  });

  it("refuses what it has no template or no use for, and names that are none", async () => {
    const calls = [
      ["ci"],
      ["ci", "travis"],
      ["ci", "constructor"],
      ["ci", "wrap-image"],
      ["ci", "pre-commit", "--image", "app"],
      ["ci", "github", "--platform", "a/b/c/d"],
      ["ci", "github", "--image", "a\nb"],
      ["ci", "circleci", "--tag", 'a"; reboot; "'],
      ["ci", "github", "--force"],
    ];
    for (const call of calls) {
      const { status, stdout, stderr } = await initwrap(call);
      expect([status, stdout.length, stderr], call.join(" ")).toEqual([2, 0, expect.stringContaining("USAGE")]);
    }
  });

  it("says so when the image is only an example", async () => {
    expect((await initwrapOk(["ci", "jenkins"])).stderr).toContain("--image");
    const { stdout, stderr } = await initwrapOk(["ci", "jenkins", "--image", "ghcr.io/a/b:${env.TAG}"]);
    expect([stdout.toString(), stderr]).toEqual([expect.stringContaining('"ghcr.io/a/b:${env.TAG}"'), ""]);
  });
});

describe("the shell in them", () => {
  it("has nothing that shellcheck finds", async (context) => {
    const found = await run("shellcheck", ["--version"], folder).catch(() => undefined);
    requireCapability(context, "shellcheck", found?.status === 0);
    const [, component] = parseAllDocuments(await ci("gitlab"));
    const [job] = Object.values(component!.toJS() as Record<string, { readonly script: readonly string[] }>);
    const steps: readonly Step[] = [
      ...parse(await ci("github-action")).runs.steps,
      ...parse(await ci("github")).jobs.image.steps,
    ];
    const circleci: string = parse(await ci("circleci")).commands.initwrap.steps[0].run.command;
    const tekton: string = parse(await ci("tekton")).spec.steps[0].script;
    const scripts = [
      ...steps.flatMap((step) => (step.run === undefined ? [] : [["bash", step.run] as const])),
      ["bash", circleci.replace(/<< parameters\.(\w+) >>/g, "$1")],
      ["sh", tekton.replace(/\$\(results\.(\w+)\.path\)/g, "/$1")],
      ["sh", job!.script.join("\n")],
      ["sh", shellOfJenkins(await ci("jenkins"))],
      ["sh", /^sh -c '(.*)' initwrap$/.exec(parse(await ci("pre-commit-hooks"))[0].entry)![1]!],
    ] as const;
    expect(scripts).toHaveLength(10);
    const file = join(await workspace(), "script");
    for (const [shell, script] of scripts) {
      await writeFile(file, script);
      const { status, stdout } = await run("shellcheck", ["--shell", shell, file], folder);
      expect(status, stdout).toBe(0);
    }
  });
});

/** What is between the quotes of the pipeline's one `sh`. */
function shellOfJenkins(pipeline: string): string {
  return /sh '''(.*?)'''/s.exec(pipeline)![1]!;
}

describe("GitHub", () => {
  it("takes the workflow and the action, by its own schemas", async () => {
    const workflow = await ci("github", "--tag", "ghcr.io/acme/app:1", "--platform", "linux/amd64,linux/arm64");
    expect(await schemaErrors("workflow", workflow)).toEqual([]);
    const usual = await ci("github");
    expect(await schemaErrors("workflow", usual)).toEqual([]);
    expect(usual).toContain("packages: write");
    expect(usual).toContain("password: ${{ github.token }}");
    expect(await schemaErrors("workflow", await ci("github", "--image", "acme/app:1"))).toEqual([]);
    const action = await ci("github-action");
    expect(await schemaErrors("action", action)).toEqual([]);
    // The schemas see what is wrong.
    expect(await schemaErrors("workflow", workflow.replace("runs-on:", "runs-at:"))).not.toEqual([]);
    expect(
      await schemaErrors("workflow", workflow.replace("steps.initwrap.outputs", "stages.initwrap.outputs")),
    ).not.toEqual([]);
    expect(await schemaErrors("action", action.replace("using: composite", "using: wishes"))).not.toEqual([]);
  });

  it.each([
    ".github/workflows/ci.yml",
    ".github/workflows/nightly.yml",
    ".github/workflows/release.yml",
    "templates/fleet/github-actions.yml",
  ])("takes %s", async (file) => {
    expect(await schemaErrors("workflow", await readFile(join(ROOT, file), "utf8"))).toEqual([]);
  });

  it("takes the workflow in the documentation, whose inputs and outputs the action has", async () => {
    const text = await readFile(join(ROOT, "docs/ci.md"), "utf8");
    const blocks = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, block]) => block!);
    expect(blocks).toHaveLength(2);
    expect(await schemaErrors("workflow", blocks[0]!)).toEqual([]);
    const { inputs, outputs } = await action();
    const step = parse(blocks[0]!).jobs.image.steps.find((one: Step) => one.id === "initwrap");
    for (const name of Object.keys(step.with)) expect(inputs).toHaveProperty(name);
    for (const [, name] of blocks[0]!.matchAll(/initwrap\.outputs\.(\w+)/g)) expect(outputs).toHaveProperty(name!);
    for (const name of Object.keys(inputs)) expect(text).toContain(`| \`${name}\` |`);
    const [component] = parseAllDocuments(await ci("gitlab"));
    const { include } = parse(blocks[1]!);
    for (const name of Object.keys(include[0].inputs)) expect(component!.toJS().spec.inputs).toHaveProperty(name);
  });

  const runner = async (more: Partial<Runner> = {}): Promise<Runner> => ({
    workspace: await workspace(),
    env: { ...env, GITHUB_ACTIONS: "true" },
    actions: {},
    ...more,
  });
  const action = async (): Promise<Action> => parse(await readFile(join(ROOT, "action.yml"), "utf8"));

  describe("with a registry", () => {
    beforeEach((context) => requireCapability(context, "docker-registry", registryAvailable));

    it("the action wraps an image of several platforms where it is, and has nothing to do the second time", async () => {
      const image = await freshImage("action");
      const first = await runAction(await action(), { image }, await runner());
      expect(first.status, first.stderr).toBe(0);
      const { digest, entrypoints } = await readIndex(image, session);
      expect(entrypoints).toEqual(WRAPPED);
      expect(first.outputs).toEqual({ reference: `${image}@${digest}`, digest, changed: "true", dockerfile: "" });
      expect(first.summary).toContain(`| ${image} | ${digest} | true |`);
      expect(first.used).toEqual([]);
      const second = await runAction(await action(), { image }, await runner());
      expect(second.outputs).toEqual({ ...first.outputs, changed: "false" });
      expect((await readIndex(image, session)).digest).toBe(digest);
    });

    it("the action takes the checkout's .initwrap.yaml and the job's variables into account, and no variable of the init", async () => {
      const image = await freshImage("settings");
      const checkout = await runner();
      await writeFile(join(checkout.workspace, ".initwrap.yaml"), "init: { grace: 10s }\nplatform: linux/amd64\n");
      const set = { INITWRAP_PLATFORM: "linux/arm64", INITWRAP_GRACE: "no time", INITWRAP_GROUP: "0" };
      const { status, stderr } = await runAction(
        await action(),
        { image },
        { ...checkout, env: { ...checkout.env, ...set } },
      );
      expect(status, stderr).toBe(0);
      const { entrypoints } = await readIndex(image, session);
      expect(entrypoints["amd64"]).toEqual(["/amd"]);
      expect(entrypoints["arm64"]).toEqual(["/initwrap", "--grace=10s", "--"]);
    });

    it("the action names the result by its tags, of the platforms asked for, and leaves the image as it is", async () => {
      const image = await freshImage("tags");
      const before = await readIndex(image, session);
      const tags = [`${registry.host}/ci/tags:a`, `${registry.host}/ci/tags:b`];
      const inputs = { image, tags: `${tags.join("\n")}\n`, platforms: "linux/arm64" };
      const { status, outputs, stderr } = await runAction(await action(), inputs, await runner());
      expect(status, stderr).toBe(0);
      const results = await Promise.all(tags.map((tag) => readIndex(tag, session)));
      expect(results.map(({ digest }) => digest)).toEqual([outputs["digest"], outputs["digest"]]);
      expect(results[0]!.entrypoints).toEqual({ ...before.entrypoints, arm64: WRAPPED.arm64 });
      expect(outputs["reference"]).toBe(`${tags[0]}@${outputs["digest"]}`);
      expect(await readIndex(image, session)).toEqual(before);
    });

    it("the workflow's steps build and publish a wrapped image of several platforms, and the job hands its digest on", async (context) => {
      const engine = requireEngine(context, "newest");
      const client = dirname(process.env["INITWRAP_TEST_DOCKER_NEWEST"]!.split(",")[1]!);
      const image = `${registry.host}/\${{ github.repository }}:1`;
      const { jobs } = parse(await ci("github", "--image", image));
      const { steps, outputs } = jobs.image as { steps: Step[]; outputs: Record<string, string> };
      const { DOCKER_HOST, DOCKER_CONFIG } = engine.env;
      const place = await runner();
      place.env["PATH"] = `${client}${delimiter}${place.env["PATH"]}`;
      const docker = { ...place.env, DOCKER_HOST, DOCKER_CONFIG };
      const built: Record<string, string>[] = [];
      const ran = await runSteps(
        steps,
        outputs,
        {},
        {
          ...place,
          github: { repository: "CI/Workflow" },
          secrets: { REGISTRY_USERNAME: "user", REGISTRY_PASSWORD: "U*U" },
          actions: {
            "actions/checkout@v4": async () => {
              await writeFile(join(place.workspace, "app"), "");
              await writeFile(
                join(place.workspace, "Dockerfile"),
                'FROM scratch\nCOPY app /\nENTRYPOINT ["/app"]\nCMD ["x"]\n',
              );
            },
            "actions/setup-node@v4": async () => {},
            "docker/setup-qemu-action@v3": async () => {},
            "docker/setup-buildx-action@v3": async () => {},
            "docker/login-action@v3": async (inputs) =>
              expect(inputs).toEqual({ registry: registry.host, username: "user", password: "U*U" }),
            // The action itself is not to be had; its inputs become the options of buildx that they are named after.
            "docker/build-push-action@v6": async ({ push, platforms, tags, provenance, ...others }) => {
              expect(others).toEqual({});
              built.push({ push: push!, tags: tags! });
              const flags = [`--push=${push}`, "--platform", platforms!, "--tag", tags!, `--provenance=${provenance}`];
              const words = ["buildx", "build", ...flags, "--file", "./Dockerfile", "."];
              const { status, stderr } = await outcomeOf(
                spawn("docker", words, { cwd: place.workspace, env: docker, stdio: ["ignore", "pipe", "pipe"] }),
              );
              if (status !== 0) throw new Error(stderr);
            },
          },
        },
      );
      const name = `${registry.host}/ci/workflow:1`;
      // The engine's builder keeps what it pushes.
      await engine.docker(["rmi", "--force", name], { check: false });
      expect(ran.status, ran.stderr).toBe(0);
      expect(built).toEqual([{ tags: name, push: "true" }]);
      const { digest, entrypoints } = await readIndex(name, session);
      const wrapped = ["/initwrap", "--", "/app"];
      expect(entrypoints).toEqual({ amd64: wrapped, arm64: wrapped });
      expect(ran.outputs).toEqual({ reference: `${name}@${digest}`, digest, changed: "true" });
      expect(ran.used).toEqual([...new Set(ran.used)]);
    });

    it("the action builds a wrapped Dockerfile for several platforms, and pushes it", async (context) => {
      const engine = requireEngine(context, "newest");
      const { DOCKER_HOST, DOCKER_CONFIG } = engine.env;
      const place = await runner({ env: { ...env, DOCKER_HOST, DOCKER_CONFIG } });
      const client = dirname(process.env["INITWRAP_TEST_DOCKER_NEWEST"]!.split(",")[1]!);
      const dockerfile = 'FROM scratch\nCOPY kept /\nENTRYPOINT ["/app"]\nCMD ["x"]\n';
      await writeFile(join(place.workspace, "Dockerfile"), dockerfile);
      await writeFile(join(place.workspace, "Dockerfile.dockerignore"), "hidden\n");
      await writeFile(join(place.workspace, "kept"), "");
      const image = `${registry.host}/ci/built:1`;
      const inputs = { image, dockerfile: "Dockerfile", platforms: "linux/amd64, linux/arm64" };
      place.env["PATH"] = `${client}${delimiter}${place.env["PATH"]}`;
      const { status, outputs, stderr } = await runAction(await action(), inputs, place);
      // The engine's builder keeps what it pushes.
      await engine.docker(["rmi", "--force", image], { check: false });
      expect(status, stderr).toBe(0);
      const { digest, entrypoints } = await readIndex(image, session);
      const wrapped = ["/initwrap", "--", "/app"];
      expect(entrypoints).toEqual({ amd64: wrapped, arm64: wrapped });
      expect(outputs).toMatchObject({ reference: `${image}@${digest}`, digest, changed: "true" });
      expect(await readFile(join(place.workspace, "Dockerfile"), "utf8")).toBe(dockerfile);
    });
  });

  it("the action wraps a Dockerfile for a later step to build", async () => {
    const place = await runner();
    await writeFile(join(place.workspace, "Dockerfile"), 'FROM scratch\nENTRYPOINT ["/app"]\n');
    const { runs, ...rest } = await action();
    const look: Step = { id: "look", if: "steps.dockerfile.outputs.dockerfile != ''", run: 'cat "$FILE"' };
    const steps = [...runs.steps, { ...look, env: { FILE: "${{ steps.dockerfile.outputs.dockerfile }}" } }];
    const ran = await runAction({ ...rest, runs: { ...runs, steps } }, { dockerfile: "Dockerfile" }, place);
    expect(ran.status, ran.stderr).toBe(0);
    expect(ran.outputs).toMatchObject({ reference: "", digest: "", changed: "true" });
    expect(ran.stdout).toContain('ENTRYPOINT ["/initwrap", "--", "/app"]');
  });

  it("the action fails with initwrap's exit code, and 2 when it is given nothing", async () => {
    const place = await runner();
    await writeFile(join(place.workspace, "Dockerfile"), "FROM scratch\nNONSENSE\n");
    expect((await runAction(await action(), { dockerfile: "Dockerfile" }, place)).status).toBe(3);
    const nothing = await runAction(await action(), {}, place);
    expect([nothing.status, nothing.stdout]).toEqual([2, expect.stringContaining("::error")]);
  });

  it("the action sets Node.js up only where there is none that is new enough", async () => {
    const place = await runner();
    await mkdir(join(place.workspace, "old"));
    // A Node that says it is 22.2 when the action asks, and runs nothing else.
    const claim = `((process) => { $2 })({ versions: { node: \\"22.2.9\\" }, exit: process.exit })`;
    const old = `#!/bin/sh\n[ "$1" != -e ] || exec "${process.execPath}" -e "${claim}"\nexit 1\n`;
    await writeFile(join(place.workspace, "old/node"), old, { mode: 0o755 });
    await writeFile(join(place.workspace, "Dockerfile"), 'FROM scratch\nENTRYPOINT ["/app"]\n');
    const path = place.env["PATH"];
    place.env["PATH"] = `${join(place.workspace, "old")}${delimiter}${path}`;
    const ran = await runAction(
      await action(),
      { dockerfile: "Dockerfile" },
      {
        ...place,
        actions: {
          "actions/setup-node@v4": async () => {
            place.env["PATH"] = path;
          },
        },
      },
    );
    expect([ran.status, ran.used], ran.stderr).toEqual([0, ["actions/setup-node@v4"]]);
  });
});

describe("the others", () => {
  beforeEach((context) => requireCapability(context, "docker-registry", registryAvailable));

  it("GitLab: a pipeline that includes the component runs it, and a later job gets the digest", async () => {
    // crypt_blowfish's own test vector, for the password U*U.
    const passwords = join(folder, "htpasswd");
    await writeFile(passwords, "user:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n");
    const guarded = await startRegistry({ auth: { htpasswd: { realm: "test", path: passwords } } });
    const auth = Buffer.from("user:U*U").toString("base64");
    const login = JSON.stringify({ auths: { [guarded.host]: { auth } } });
    const member = new RegistrySession({ env: { HOME: "/nonexistent", DOCKER_AUTH_CONFIG: login } });
    try {
      const image = `${guarded.host}/ci/gitlab:1`;
      await putImage(image, twoPlatforms(), member);
      const cwd = await workspace();
      await mkdir(join(cwd, "templates"));
      await writeFile(join(cwd, "templates/initwrap.yml"), await ci("gitlab"));
      // The report is dotenv, a line a variable: of several names the first is handed on.
      const tags = "$CI_REGISTRY/ci/gitlab:a, $CI_REGISTRY/ci/gitlab:b";
      const pipeline = {
        include: [
          { local: "templates/initwrap.yml", inputs: { image: "$CI_REGISTRY/ci/gitlab:1", tags, job: "wrap" } },
        ],
        sign: { stage: "deploy", needs: ["wrap"], script: ['echo "signs $IMAGE_REFERENCE $IMAGE_CHANGED"'] },
      };
      await writeFile(join(cwd, ".gitlab-ci.yml"), JSON.stringify(pipeline));
      await run("git", ["init", "--quiet", "--initial-branch=main"], cwd);
      await run("git", ["remote", "add", "origin", "https://gitlab.example/acme/app.git"], cwd);
      await run("git", ["add", "."], cwd);
      // What GitLab sets in every job of a project with a registry.
      const variables = { CI_REGISTRY: guarded.host, CI_REGISTRY_USER: "user", CI_REGISTRY_PASSWORD: "U*U" };
      const program = createRequire(import.meta.url).resolve("gitlab-ci-local");
      const flags = Object.entries(variables).flatMap(([name, value]) => ["--variable", `${name}=${value}`]);
      const ran = await run(process.execPath, [program, "--force-shell-executor", ...flags], cwd);
      expect(ran.status, ran.stdout + ran.stderr).toBe(0);
      const [, reference, digest, changed] = /signs (\S+@(sha256:[0-9a-f]{64})) (\w+)/.exec(ran.stdout) ?? [];
      expect([reference, changed]).toEqual([`${guarded.host}/ci/gitlab:a@${digest}`, "true"]);
      for (const tag of ["a", "b"]) {
        expect((await readIndex(`${guarded.host}/ci/gitlab:${tag}`, member)).digest).toBe(digest);
      }
    } finally {
      await member.close();
      await guarded.stop();
    }
  });

  it("Tekton: the Task's script writes its results, by which Chains knows what to sign", async () => {
    const image = await freshImage("tekton");
    const task = parse(await ci("tekton"));
    expect([task.kind, task.apiVersion]).toEqual(["Task", "tekton.dev/v1"]);
    const { params, results, steps } = task.spec;
    const cwd = await workspace();
    // A result is one name, the first.
    const tags = [image.replace(/1$/, "a"), image.replace(/1$/, "b")];
    const values: Record<string, string> = {
      "workspaces.dockerconfig.path": "",
      "params.image": image,
      "params.tags": tags.join("\n"),
    };
    for (const one of params) values[`params.${one.name}`] ??= one.default;
    for (const { name } of results) values[`results.${name}.path`] = join(cwd, name);
    // Tekton fills in what it knows and leaves the shell's own $(...) alone.
    const fill = (text: string): string => text.replace(/\$\(([\w.]+)\)/g, (whole, name) => values[name] ?? whole);
    const [{ env: variables, script }] = steps;
    expect(script).toMatch(/^#!\/bin\/sh\n/);
    await writeFile(join(cwd, "script"), fill(script), { mode: 0o755 });
    const more = Object.fromEntries(
      variables.map((one: { name: string; value: string }) => [one.name, fill(one.value)]),
    );
    const ran = await run(join(cwd, "script"), [], cwd, { ...more, TMPDIR: cwd });
    expect(ran.status, ran.stderr).toBe(0);
    const { digest, entrypoints } = await readIndex(tags[0]!, session);
    expect(entrypoints).toEqual(WRAPPED);
    expect((await readIndex(tags[1]!, session)).digest).toBe(digest);
    const written = await Promise.all(results.map(({ name }: { name: string }) => readFile(join(cwd, name), "utf8")));
    expect(written).toEqual([tags[0], digest, "true"]);
    const required = parse(await ci("tekton")).spec.params.filter((one: object) => !("default" in one));
    expect(required).toMatchObject([{ name: "image" }]);
    expect(parse(await ci("tekton", "--image", "a/b")).spec.params[0].default).toBe("a/b");
  });

  it("Tekton: IBM's linter finds nothing in the Task", async () => {
    const cwd = await workspace();
    const task = await ci("tekton", "--image", "registry.example/app:1");
    const linter = join(dirname(createRequire(import.meta.url).resolve("@ibm/tekton-lint")), "lint.js");
    const lint = async (text: string): Promise<Outcome> => {
      await writeFile(join(cwd, "task.yaml"), text);
      return run(process.execPath, [linter, "task.yaml"], cwd);
    };
    const found = await lint(task);
    expect([found.status, found.stdout.trim()]).toEqual([0, ""]);
    for (const [right, wrong] of [
      ["$(params.image)", "$(params.imag)"],
      ["$(workspaces.dockerconfig.path)", "$(workspaces.config.path)"],
      ["name: WRAP_TAGS", "name: WRAP_IMAGE"],
    ] as const) {
      expect(task).toContain(right);
      expect((await lint(task.replace(right, wrong))).stdout, wrong).not.toBe("");
    }
  });

  it("CircleCI: its parser takes the config, by the schemas that it has", async () => {
    const { parseConfig } = createRequire(import.meta.url)("@circleci/circleci-config-parser") as {
      parseConfig(text: string): unknown;
    };
    // The parser knows only the long form of a command without parameters.
    const config = (await ci("circleci", "--image", "registry.example/app:1")).replace(
      /- initwrap$/m,
      "- initwrap: {}",
    );
    expect(() => parseConfig(config)).not.toThrow();
    for (const [right, wrong] of [
      ["type: string", "type: text"],
      ["command: |", "comand: |"],
      ["- image: cimg", "- imag: cimg"],
      ["- initwrap: {}", "- initwra: {}"],
      ["path: initwrap.json", "pat: initwrap.json"],
    ] as const) {
      expect(config).toContain(right);
      expect(() => parseConfig(config.replace(right, wrong)), wrong).toThrow();
    }
  });

  it("Jenkins: the shell step leaves the reference where the pipeline reads it", async () => {
    const image = await freshImage("jenkins");
    const tags = ["done", "too"].map((tag) => `${registry.host}/ci/jenkins:${tag}`);
    const pipeline = await ci("jenkins", "--image", image, ...tags.flatMap((tag) => ["--tag", tag]));
    const variables = Object.fromEntries(
      [...pipeline.matchAll(/^ +(WRAP_\w+) = (".*")$/gm)].map(([, name, value]) => [name, JSON.parse(value!)]),
    );
    const script = shellOfJenkins(pipeline);
    // Groovy would read a backslash as its own.
    expect(script).not.toContain("\\");
    const cwd = await workspace();
    const ran = await run("sh", ["-xe", "-c", script], cwd, variables);
    expect(ran.status, ran.stderr).toBe(0);
    const { digest, entrypoints } = await readIndex(tags[0]!, session);
    expect(entrypoints).toEqual(WRAPPED);
    expect((await readIndex(tags[1]!, session)).digest).toBe(digest);
    const read = [...pipeline.matchAll(/readFile\('(.+?)'\)/g)].map(([, name]) => readFile(join(cwd, name!), "utf8"));
    expect(await Promise.all(read)).toEqual([`${tags[0]}@${digest}\n`, `${digest}\n`, "true\n"]);
    await stat(join(cwd, /artifacts: '(.+?)'/.exec(pipeline)![1]!));
  });

  it("CircleCI: the command lets variables be filled in, and sets those that later steps see", async () => {
    const image = await freshImage("circleci");
    const tags = ["$CIRCLE_SHA1", "also"].map((tag) => image.replace(/1$/, tag));
    const named = tags.flatMap((tag) => ["--tag", tag]);
    const config = parse(await ci("circleci", "--image", image.replace(/1$/, "$CIRCLE_SHA1"), ...named));
    const { parameters, steps } = config.commands.initwrap;
    const script = steps[0].run.command.replace(
      /<< parameters\.(\w+) >>/g,
      (_: string, name: string) => parameters[name].default,
    );
    expect(script).not.toContain("<<");
    const cwd = await workspace();
    const file = join(cwd, "bash.env");
    await writeFile(file, "");
    const ran = await run("bash", ["-eo", "pipefail", "-c", script], cwd, { BASH_ENV: file, CIRCLE_SHA1: "1" });
    expect(ran.status, ran.stderr).toBe(0);
    const { digest, entrypoints } = await readIndex(image, session);
    expect(entrypoints).toEqual(WRAPPED);
    const later = await run("bash", ["-c", 'echo "$IMAGE_REFERENCE $IMAGE_DIGEST $IMAGE_CHANGED"'], cwd, {
      BASH_ENV: file,
    });
    expect(later.stdout).toBe(`${image}@${digest} ${digest} true\n`);
    expect((await readIndex(tags[1]!, session)).digest).toBe(digest);
    await stat(join(cwd, steps[1].store_artifacts.path));
    expect(config.workflows.image.jobs[0]).toHaveProperty("wrap");
  });

  it("end with initwrap's own exit code, and hand nothing on", async () => {
    const cwd = await workspace();
    const { script } = parse(await ci("tekton")).spec.steps[0];
    const ran = await run("sh", ["-c", script], cwd, {
      WRAP_IMAGE: `${registry.host}/ci/absent:1`,
      WRAP_TAGS: "",
      WRAP_PLATFORMS: "",
      WRAP_VERSION: version,
      DOCKER_CONFIG: "",
      TMPDIR: cwd,
    });
    expect([ran.status, ran.stderr]).toEqual([3, expect.stringContaining("IMAGE_NOT_FOUND")]);
  });
});

describe("pre-commit", () => {
  const commit = async (files: Readonly<Record<string, string>>, ...wrapped: string[]): Promise<Outcome> => {
    const cwd = await workspace();
    for (const [name, text] of Object.entries(files)) await writeFile(join(cwd, name), text);
    for (const name of wrapped) await initwrapOk(["dockerfile", "--write", name], { cwd });
    await run("git", ["init", "--quiet"], cwd);
    await run("git", ["add", "."], cwd);
    return run("pre-commit", ["run", "--verbose"], cwd, { PRE_COMMIT_HOME: join(cwd, ".git/pre-commit") });
  };
  const bare = 'FROM scratch\nENTRYPOINT ["/app"]\n';
  beforeEach(async (context) => {
    const found = await run("pre-commit", ["--version"], folder).catch(() => undefined);
    requireCapability(context, "pre-commit", found?.status === 0);
  });

  it("refuses a Dockerfile without an init, and lets one with it pass", async () => {
    const config = { ".pre-commit-config.yaml": await ci("pre-commit"), "other.txt": "FROM scratch\n" };
    const refused = await commit({ ...config, Dockerfile: bare, "web.Dockerfile": bare });
    expect([refused.status, refused.stdout]).toEqual([1, expect.stringMatching(/web\.Dockerfile: would change/)]);
    expect(refused.stdout).not.toContain("other.txt");
    const passed = await commit({ ...config, Dockerfile: bare }, "Dockerfile");
    expect(passed.status, passed.stdout + passed.stderr).toBe(0);
    expect(passed.stdout).toContain("nothing to do");
  });

  it("takes the hook from a repository that offers it", async () => {
    const offering = await workspace();
    await writeFile(join(offering, ".pre-commit-hooks.yaml"), await readFile(join(ROOT, ".pre-commit-hooks.yaml")));
    await run("git", ["init", "--quiet"], offering);
    await run("git", ["add", "."], offering);
    const who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
    await run("git", [...who, "commit", "--quiet", "--no-verify", "-m", "Offer the hook"], offering);
    const rev = (await run("git", ["rev-parse", "HEAD"], offering)).stdout.trim();
    const config = JSON.stringify({ repos: [{ repo: offering, rev, hooks: [{ id: "initwrap" }] }] });
    const refused = await commit({ ".pre-commit-config.yaml": config, Dockerfile: bare });
    expect([refused.status, refused.stdout]).toEqual([1, expect.stringContaining("Dockerfile: would change")]);
  });
});
