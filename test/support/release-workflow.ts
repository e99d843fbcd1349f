/**
 * A release as the repository's own workflow makes it, from a changeset to what is published: the steps of
 * .github/workflows/release.yml in a clone, with registries of this machine for npm's and GitHub's.
 *
 * Other people's actions are what they do here; `apt-get` is left out, for the machine has what it would install; npm signs its
 * provenance only in GitHub's own runners, and `gh` is a script that keeps what it is given.
 */
import { execFile } from "node:child_process";
import { cp, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";
import { type Job, type Ran, type Runner, runJob } from "./github-runner.ts";
import { type NpmRegistry, startNpmRegistry } from "./npm-registry.ts";
import { ROOT } from "./programs.ts";
import { startRegistry, type TestRegistry } from "./registry.ts";

const exec = promisify(execFile);

export const REPOSITORY = "Acme/initwrap";
// crypt_blowfish's own test vector.
const [USER, PASSWORD, PASSWORDS] = [
  "user",
  "U*U",
  "user:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n",
];
const TOKEN = "npm-token";

export interface ReleaseWorkflow {
  /** The clone that is released. */
  readonly clone: string;
  readonly npm: NpmRegistry;
  readonly images: TestRegistry;
  /** Where `gh` put what it was given, and the calls that it got. */
  readonly uploads: string;
  calls(): Promise<readonly string[]>;
  /** A job of the workflow, after those before it: undefined where its `if` says no. Rejects when it fails. */
  run(job: "version" | "build" | "publish", needs?: Ran): Promise<Ran | undefined>;
  /** Variables for a client of the registry of images. */
  readonly login: NodeJS.ProcessEnv;
  stop(): Promise<void>;
}

/** Sets everything up in an empty folder. The clone has the files of this checkout, and one changeset. */
export async function releaseWorkflow(folder: string): Promise<ReleaseWorkflow> {
  const clone = join(folder, "clone");
  await cloneOf(clone);
  const npm = await startNpmRegistry(["node-gyp-build@4.8.4"]);
  const images = await guardedRegistry(folder);
  const bin = join(folder, "bin");
  const [uploads, log, docker] = ["uploads", "gh.log", "docker"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [bin, uploads, docker]) await mkdir(path);
  const realNpm = (await exec("which", ["npm"])).stdout.trim();
  await writeFile(join(bin, "npm"), npmProgram(realNpm, npm.url), { mode: 0o755 });
  await writeFile(join(bin, "gh"), ghProgram(uploads, log), { mode: 0o755 });
  const env = {
    ...process.env,
    PATH: [bin, dirname(process.execPath), "/usr/local/bin:/usr/bin:/bin"].join(delimiter),
    GIT_CONFIG_GLOBAL: join(folder, "gitconfig"),
    DOCKER_CONFIG: docker,
    // As a runner has them.
    GITHUB_ACTIONS: "true",
    GITHUB_REPOSITORY: REPOSITORY,
    GITHUB_SHA: (await exec("git", ["rev-parse", "HEAD"], { cwd: clone })).stdout.trim(),
    GITHUB_WORKSPACE: clone,
    NPM_CONFIG_USERCONFIG: join(folder, "npmrc"),
    IMAGE_REGISTRY: images.host,
  };
  const artifact = join(folder, "artifact");
  const actions: Runner["actions"] = {
    "actions/checkout@v4": async () => {},
    "actions/setup-node@v4": async (inputs) => {
      if (inputs["registry-url"] !== "https://registry.npmjs.org") return;
      // npm puts the variable's value in its place.
      await writeFile(env.NPM_CONFIG_USERCONFIG, `${npm.url.replace("http:", "")}:_authToken=\${NODE_AUTH_TOKEN}\n`);
    },
    "changesets/action@v1": async (inputs) => {
      const changesets = (await readdir(join(clone, ".changeset"))).filter((name) => name.endsWith(".md"));
      if (changesets.length === 0) return { hasChangesets: "false" };
      await exec("sh", ["-c", inputs["version"]!], { cwd: clone, env, maxBuffer: 1 << 26 });
      // The pull request that is merged.
      await commit(clone, inputs["commit"]!);
      return { hasChangesets: "true" };
    },
    "actions/upload-artifact@v4": ({ path }) => cp(join(clone, path!), artifact, { recursive: true }),
    "actions/download-artifact@v4": ({ path }) => cp(artifact, join(folder, "job", path!), { recursive: true }),
    "actions/attest-build-provenance@v2": (inputs) => readFile(join(folder, "job", inputs["subject-checksums"]!)),
    "docker/login-action@v3": async ({ registry, username, password }) => {
      const auth = Buffer.from(`${username}:${password}`).toString("base64");
      await writeFile(join(docker, "config.json"), JSON.stringify({ auths: { [registry!]: { auth } } }));
    },
  };
  const { jobs } = parse(await readFile(join(clone, ".github/workflows/release.yml"), "utf8"));
  return {
    clone,
    npm,
    images,
    uploads,
    login: { DOCKER_CONFIG: docker },
    calls: async () => (await readFile(log, "utf8")).trim().split("\n"),
    run: async (name, before) => {
      const job = jobs[name] as Job & { readonly needs?: string };
      const workspace = name === "publish" ? join(folder, "job") : clone;
      await mkdir(workspace, { recursive: true });
      const ran = await runJob(
        { ...job, steps: job.steps.filter(({ run = "" }) => !run.includes("apt-get")) },
        {
          workspace,
          env,
          github: { actor: USER, token: PASSWORD, repository: REPOSITORY },
          secrets: { NPM_TOKEN: TOKEN },
          actions,
          ...(job.needs === undefined ? {} : { needs: { [job.needs]: before?.outputs ?? {} } }),
        },
      );
      if (ran && ran.status !== 0)
        throw new Error(`the job ${name} failed with ${ran.status}:\n${ran.stdout}${ran.stderr}`);
      return ran;
    },
    stop: async () => {
      await npm.close();
      await images.stop();
    },
  };
}

/** The files of this checkout, committed or not, as a repository of their own: that of somebody who may publish. */
async function cloneOf(clone: string): Promise<void> {
  await mkdir(clone);
  const list =
    'git -c safe.directory="$PWD" ls-files --cached --others --exclude-standard -z | xargs -0 ls -d 2>/dev/null';
  await exec("bash", ["-c", `${list} | tar -c --files-from=- | tar -x -C "$0"`, clone], { cwd: ROOT });
  for (const name of ["cli", "init-core"]) {
    const file = join(clone, "packages", name, "package.json");
    const text = await readFile(file, "utf8");
    const manifest = JSON.parse(text);
    const page = manifest.repository.url.replace(/^git\+|\.git$/g, "");
    const renamed = text
      .replaceAll(page, `https://github.com/${REPOSITORY}`)
      .replace(JSON.stringify(manifest.author), '"The Acme authors <initwrap@acme.dev>"');
    await writeFile(file, renamed);
  }
  const packages = ["initwrap", "@initwrap/init-core"].map((name) => `"${name}": minor\n`).join("");
  await writeFile(join(clone, ".changeset/released.md"), `---\n${packages}---\n\nA change that is released.\n`);
  await exec("git", ["init", "--quiet", "--initial-branch=main"], { cwd: clone });
  await commit(clone, "Everything");
  // What was fetched is checked against the lockfile then; it is the same here.
  await mkdir(join(clone, ".cache"));
  await mkdir(join(ROOT, ".cache/nodes"), { recursive: true });
  await symlink(join(ROOT, ".cache/nodes"), join(clone, ".cache/nodes"));
}

async function commit(clone: string, message: string): Promise<void> {
  const who = ["-c", "user.name=test", "-c", "user.email=test@acme.dev"];
  await exec("git", ["add", "--all"], { cwd: clone, maxBuffer: 1 << 26 });
  await exec("git", [...who, "commit", "--quiet", `--message=${message}`], { cwd: clone });
}

async function guardedRegistry(folder: string): Promise<TestRegistry> {
  const path = join(folder, "htpasswd");
  await writeFile(path, PASSWORDS);
  return startRegistry({ auth: { htpasswd: { realm: "test", path } } });
}

/** npm, which asks our registry for what is released, and the public one for everything else. */
function npmProgram(npm: string, registry: string): string {
  return `#!/bin/sh
case "$1" in
view) exec ${npm} "$@" --registry=${registry} ;;
publish)
  case " $* " in *" --provenance "*) ;; *) echo "without provenance" >&2; exit 99 ;; esac
  exec ${npm} "$@" --provenance=false --registry=${registry} ;;
*) exec ${npm} "$@" ;;
esac
`;
}

/** gh, of which a release knows three calls. */
function ghProgram(uploads: string, log: string): string {
  return `#!/bin/sh
[ "$GH_TOKEN" = '${PASSWORD}' ] || exit 4
echo "$@" >> ${log}
case "$1 $2" in
"release view") [ -e ${uploads}/.created ] ;;
"release create") touch ${uploads}/.created ;;
"release upload")
  shift 6
  for file; do [ -f "$file" ] && cp "$file" ${uploads}/ || exit 1; done ;;
*) exit 2 ;;
esac
`;
}
