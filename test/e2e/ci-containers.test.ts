/**
 * The steps of `initwrap ci` in containers, as their systems run them: in an image with Node.js and nothing else of use, with
 * initwrap fetched by npx from a registry of packages, against a registry that asks for a password. Node's official image is
 * stood in for by one of Debian's packages.
 */
import { spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { RegistrySession } from "../../packages/cli/src/store/registry/session.ts";
import { pack } from "../../scripts/pack.mjs";
import { requireCapability } from "../support/capability.ts";
import { initwrapOk } from "../support/cli.ts";
import { type Engine, findEngine, requireEngine } from "../support/engine.ts";
import { type Action, runAction } from "../support/github-runner.ts";
import { freshTag } from "../support/images.ts";
import { type NpmRegistry, startNpmRegistry } from "../support/npm-registry.ts";
import { type Outcome, outcomeOf } from "../support/outcome.ts";
import { ROOT } from "../support/programs.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { putImage } from "../support/registry-image.ts";
import { buildImage, provideStandIns, standInOf } from "../support/stand-ins.ts";
import { readIndex, twoPlatforms, WRAPPED } from "../support/two-platforms.ts";

// The base of the stand-ins takes minutes the first time.
const PREPARATION = 900_000;
/** In the place of node:24-slim and cimg/node. */
const NODE = freshTag("ci-node");

let folder: string;
let npm: NpmRegistry | undefined;
let registry: TestRegistry | undefined;
let member: RegistrySession;
/** A docker config.json with the registry's password in it. */
let login: string;
let unavailable: string | undefined;

beforeAll(async () => {
  const engine = findEngine("newest");
  if (engine === undefined || !registryAvailable) return;
  // An engine of the tests sees of this machine's files those of its own folder.
  folder = await mkdtemp(join(dirname(engine.host.replace("unix://", "")), "initwrap-ci-"));
  await chmod(folder, 0o755);
  try {
    await provideStandIns(engine, ["base"]);
    // As the official image has it.
    const npx = "RUN ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx";
    await buildImage(engine, NODE, [`FROM ${standInOf("node:24-trixie-slim")}`, npx]);
  } catch (error) {
    unavailable = (error as Error).message;
    return;
  }
  const packed = await mkdtemp(join(tmpdir(), "initwrap-packed-"));
  npm = await startNpmRegistry([...pack(packed), "node-gyp-build@4.8.4"]);
  await rm(packed, { recursive: true });
  // crypt_blowfish's own test vector, for the password U*U.
  const passwords = join(folder, "htpasswd");
  await writeFile(passwords, "user:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n");
  registry = await startRegistry({ auth: { htpasswd: { realm: "test", path: passwords } } });
  const auth = Buffer.from("user:U*U").toString("base64");
  login = JSON.stringify({ auths: { [registry.host]: { auth } } });
  member = new RegistrySession({ env: { HOME: "/nonexistent", DOCKER_AUTH_CONFIG: login } });
}, PREPARATION);
afterAll(async () => {
  await member?.close();
  await registry?.stop();
  await npm?.close();
  await findEngine("newest")?.docker(["rmi", "--force", NODE], { check: false });
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

let engine: Engine;
beforeEach((context) => {
  engine = requireEngine(context, "newest");
  requireCapability(context, "docker-registry", registryAvailable);
  requireCapability(context, `the stand-in for official images (${unavailable})`, unavailable === undefined);
});

async function ci(...args: string[]): Promise<string> {
  return (await initwrapOk(["ci", ...args])).stdout.toString();
}

/** A workspace that a container's user may write to. */
async function workspace(): Promise<string> {
  const path = await mkdtemp(join(folder, "work-"));
  await chmod(path, 0o777);
  return path;
}

async function freshImage(name: string): Promise<string> {
  const place = `${registry!.host}/ci/${name}:1`;
  await putImage(place, twoPlatforms(), member);
  return place;
}

interface Job {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly flags?: readonly string[];
}

/** Runs a command in a new container of what stands in for Node's image, with `cwd` at the place that it has here. */
async function inContainer(command: readonly string[], { cwd, env = {}, flags = [] }: Job): Promise<Outcome> {
  const variables = { npm_config_registry: npm!.url, npm_config_update_notifier: "false", ...env };
  const words = Object.entries(variables).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
  const { status, stdout, stderr } = await engine.docker(
    [
      ...["run", "--rm", "--network=host", "--volume", `${cwd}:${cwd}`, "--workdir", cwd, ...words, ...flags],
      ...["--entrypoint", command[0] as string, NODE, ...command.slice(1)],
    ],
    { check: false, timeoutMs: 120_000 },
  );
  return { status, stdout, stderr };
}

describe("in a container", () => {
  it("GitHub: the action's steps give the digest of a wrapped image of several platforms", async () => {
    const image = await freshImage("github");
    const cwd = await workspace();
    const action: Action = parse(await readFile(join(ROOT, "action.yml"), "utf8"));
    const ran = await runAction(
      action,
      { image },
      {
        workspace: cwd,
        temp: cwd,
        env: { GITHUB_ACTIONS: "true", DOCKER_AUTH_CONFIG: login },
        actions: {},
        shell: (script, _, env) =>
          inContainer(["bash", "--noprofile", "--norc", "-eo", "pipefail", script], { cwd, env }),
      },
    );
    expect(ran.status, ran.stderr).toBe(0);
    const { digest, entrypoints } = await readIndex(image, member);
    expect(entrypoints).toEqual(WRAPPED);
    expect(ran.outputs).toMatchObject({ reference: `${image}@${digest}`, digest, changed: "true" });
    expect(ran.used).toEqual([]);
  });

  it("GitLab: the job's script logs in with what GitLab sets, and writes its report", async () => {
    const image = await freshImage("gitlab");
    const cwd = await workspace();
    const [component, jobs] = parseAllDocuments(await ci("gitlab", "--image", "$CI_REGISTRY/ci/gitlab:1"));
    const { inputs } = component!.toJS().spec as { inputs: Record<string, { default: string }> };
    const fill = (text: string): string =>
      text.replace(/\$\[\[ inputs\.(\w+) \]\]/g, (_, name) => inputs[name]!.default);
    const [job] = Object.values(jobs!.toJS() as object) as [{ variables: Record<string, string>; script: string[] }];
    // GitLab fills variables in before the shell sees them.
    const variables = Object.entries(job.variables).map(
      ([name, value]) => [name, fill(value).replace("$CI_REGISTRY", registry!.host)] as const,
    );
    const env = {
      ...Object.fromEntries(variables),
      CI_REGISTRY: registry!.host,
      CI_REGISTRY_USER: "user",
      CI_REGISTRY_PASSWORD: "U*U",
    };
    const ran = await inContainer(["sh", "-ec", job.script.join("\n")], { cwd, env });
    expect(ran.status, ran.stderr).toBe(0);
    const { digest, entrypoints } = await readIndex(image, member);
    expect(entrypoints).toEqual(WRAPPED);
    expect(await readFile(join(cwd, "initwrap.env"), "utf8")).toBe(
      `IMAGE_REFERENCE=${image}@${digest}\nIMAGE_DIGEST=${digest}\nIMAGE_CHANGED=true\n`,
    );
  });

  it("Tekton: the step runs as it is confined, without root and capabilities, and writes its results", async () => {
    const image = await freshImage("tekton");
    const cwd = await workspace();
    const { params, results, steps } = parse(await ci("tekton", "--image", image)).spec;
    const [{ script, env: variables, securityContext }] = steps;
    const secret = join(cwd, "secret");
    await mkdir(secret);
    await writeFile(join(secret, "config.json"), login);
    const values: Record<string, string> = { "workspaces.dockerconfig.path": secret };
    for (const one of params) values[`params.${one.name}`] = one.default;
    for (const { name } of results) values[`results.${name}.path`] = join(cwd, name);
    const fill = (text: string): string => text.replace(/\$\(([\w.]+)\)/g, (whole, name) => values[name] ?? whole);
    await writeFile(join(cwd, "script"), fill(script), { mode: 0o755 });
    const env = Object.fromEntries(
      variables.map((one: { name: string; value: string }) => [one.name, fill(one.value)]),
    );
    expect(securityContext).toMatchObject({ runAsNonRoot: true, allowPrivilegeEscalation: false });
    const flags = [
      ...["--user", String(securityContext.runAsUser), "--security-opt", "no-new-privileges"],
      ...securityContext.capabilities.drop.map((name: string) => `--cap-drop=${name}`),
    ];
    const ran = await inContainer([join(cwd, "script")], { cwd, env, flags });
    expect(ran.status, ran.stderr).toBe(0);
    const { digest, entrypoints } = await readIndex(image, member);
    expect(entrypoints).toEqual(WRAPPED);
    const written = await Promise.all(results.map(({ name }: { name: string }) => readFile(join(cwd, name), "utf8")));
    expect(written).toEqual([image, digest, "true"]);
  });

  it("CircleCI: the command sets variables that later steps see", async () => {
    const image = await freshImage("circleci");
    const cwd = await workspace();
    const config = parse(await ci("circleci", "--image", image.replace(/1$/, "$CIRCLE_BUILD_NUM")));
    const { parameters, steps } = config.commands.initwrap;
    const script = steps[0].run.command.replace(
      /<< parameters\.(\w+) >>/g,
      (_: string, name: string) => parameters[name].default,
    );
    const file = join(cwd, "bash.env");
    await writeFile(file, "");
    const env = { BASH_ENV: file, CIRCLE_BUILD_NUM: "1", DOCKER_AUTH_CONFIG: login };
    const ran = await inContainer(["bash", "-eo", "pipefail", "-c", script], { cwd, env });
    expect(ran.status, ran.stderr).toBe(0);
    const { digest, entrypoints } = await readIndex(image, member);
    expect(entrypoints).toEqual(WRAPPED);
    const later = await inContainer(["bash", "-c", 'echo "$IMAGE_REFERENCE $IMAGE_DIGEST $IMAGE_CHANGED"'], {
      cwd,
      env,
    });
    expect(later.stdout).toBe(`${image}@${digest} ${digest} true\n`);
  });

  it("Jenkins: Groovy runs the pipeline, each shell step in the agent's image, and its variables are the result", async (context) => {
    const image = await freshImage("jenkins");
    const cwd = await workspace();
    const credentials = await workspace();
    await writeFile(join(credentials, "docker-auth-config"), login);
    const name = image.replace(/1$/, "${env.BUILD_NUMBER}");
    const pipeline = (await ci("jenkins", "--image", name, "--tag", image)).replace("node:24-slim", "agent-image");
    const jenkinsfile = join(cwd, "Jenkinsfile");
    await putImage(image.replace(/1$/, "7"), twoPlatforms(), member);
    // What the agent's plugin does: a container with the workspace at its own place, and the step's variables.
    const agent = join(cwd, "agent");
    const program = (process.env["INITWRAP_TEST_DOCKER_NEWEST"] ?? "").split(",")[1] ?? "docker";
    await writeFile(
      agent,
      `#!/bin/sh
[ "$1" = agent-image ] || exit 99
set -f
flags=
for name in $PIPELINE_VARIABLES; do flags="$flags --env $name"; done
mkdir -p "$WORKSPACE_TMP" && chmod 777 "$WORKSPACE_TMP"
exec ${program} run --rm --network=host --user 1000 --env npm_config_registry=${npm!.url} $flags \\
  --volume "$WORKSPACE:$WORKSPACE" --volume "$WORKSPACE_TMP:$WORKSPACE_TMP" --workdir "$WORKSPACE" \\
  --entrypoint sh ${NODE} -xec "$2"
`,
      { mode: 0o755 },
    );
    const jenkins = async (text: string): Promise<Outcome> => {
      await writeFile(jenkinsfile, text);
      const args = [join(ROOT, "test/support/jenkins.groovy"), jenkinsfile, cwd, agent, credentials];
      return outcomeOf(spawn("groovy", args, { env: engine.env, stdio: ["ignore", "pipe", "pipe"] }));
    };
    const wrong = await jenkins(
      pipeline.replace("archiveArtifacts", "archiveArtefacts").replace(/sh '''.*?'''/s, ""),
    ).catch(() => undefined);
    requireCapability(context, "groovy", wrong !== undefined);
    expect(wrong?.status, "the pipeline's words are looked at").not.toBe(0);
    const ran = await jenkins(pipeline);
    expect(ran.status, ran.stdout + ran.stderr).toBe(0);
    const { digest, entrypoints } = await readIndex(image, member);
    expect(entrypoints).toEqual(WRAPPED);
    expect(JSON.parse(await readFile(join(cwd, "env.json"), "utf8"))).toMatchObject({
      IMAGE_REFERENCE: `${image}@${digest}`,
      IMAGE_DIGEST: digest,
      IMAGE_CHANGED: "true",
    });
    expect(await readFile(join(cwd, "archived"), "utf8")).toBe("initwrap.json\n");
    await rm(`${cwd}@tmp`, { recursive: true, force: true });
  });
});
