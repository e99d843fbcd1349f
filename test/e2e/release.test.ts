/**
 * A release, from a changeset to what is published, by the steps of the release workflow; what it is made of is complete, checked
 * by its own checksums, and used as it is installed.
 */
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requireCapability, type SkippableContext } from "../support/capability.ts";
import type { CliResult } from "../support/cli.ts";
import { requireEngine } from "../support/engine.ts";
import { BASE_IMAGE, freshTag, provideBaseImage } from "../support/images.ts";
import { outcomeOf } from "../support/outcome.ts";
import { podmanAvailable, startPodman } from "../support/podman.ts";
import { ROOT } from "../support/programs.ts";
import { REPOSITORY, type ReleaseWorkflow, releaseWorkflow } from "../support/release-workflow.ts";

const exec = promisify(execFile);
const SAMPLES = join(ROOT, "test/fixtures/samples");

/** What unpacks or reads the program of 110 MB several times, on a machine that has much to do. */
const SLOW = { timeout: 300_000 };

let folder: string;
let workflow: ReleaseWorkflow;
let release: string;
let version: string;
let before: string;
const programs: Record<string, string> = {};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-release-"));
  workflow = await releaseWorkflow(folder);
  before = await versionOf("initwrap");
  const proposed = await workflow.run("version");
  expect(await workflow.run("build", proposed)).toBeUndefined();
  const merged = await workflow.run("version");
  const built = await workflow.run("build", merged);
  release = join(folder, "artifact");
  version = await versionOf("initwrap");
  expect(built!.outputs).toEqual({ version, published: "false" });
  await workflow.run("publish", built);
  for (const architecture of ["amd64", "arm64"]) {
    const stem = `initwrap-${version}-linux-${architecture}`;
    await exec("tar", ["-xzf", join(release, `${stem}.tar.gz`)], { cwd: folder });
    programs[architecture] = join(folder, stem, "initwrap");
  }
  await cp(SAMPLES, join(folder, "samples"), { recursive: true });
}, 1_800_000);
afterAll(async () => {
  await workflow?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function inClone(path: string): Promise<string> {
  return readFile(join(workflow.clone, path), "utf8");
}

async function versionOf(name: string): Promise<string> {
  return JSON.parse(await inClone(`packages/${name === "initwrap" ? "cli" : "init-core"}/package.json`)).version;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe("a version", () => {
  it("is the next one, everywhere", async () => {
    expect(version).not.toBe(before);
    expect(await versionOf("@initwrap/init-core")).toBe(version);
    const { stdout } = await exec("git", ["grep", "--name-only", "--fixed-strings", before], { cwd: workflow.clone });
    // What is left of the old number is not initwrap's.
    const left = stdout.trim().split("\n");
    const ours = new RegExp(`initwrap\\S*[@:_-]v?${before.replaceAll(".", "\\.")}(?!\\.?\\d)`);
    for (const file of left.filter((name) => !/CHANGELOG\.md$|^test\//.test(name))) {
      expect((await inClone(file)).match(ours), file).toBeNull();
    }
    for (const file of ["action.yml", "templates/initwrap.yml", ".pre-commit-hooks.yaml", "docs/install.md"]) {
      expect(await inClone(file), file).toContain(version);
    }
    const { stdout: init } = await exec(join(workflow.clone, "packages/init-core/inits/linux-amd64/initwrap"), [
      "--version",
    ]);
    expect(init).toBe(`initwrap ${version}\n`);
    await exec("sha256sum", ["--check", "--strict", "SHA256SUMS"], {
      cwd: join(workflow.clone, "packages/init-core/inits"),
    });
  });

  it("takes the changesets into the changelogs", async () => {
    const [, ...sections] = (await inClone("CHANGELOG.md")).split(/^## /m);
    expect(sections[0]).toMatch(new RegExp(`^${version}\n`));
    expect(sections[0]!.match(/: A change that is released\.$/gm)).toHaveLength(1);
    expect(await inClone("CHANGELOG.md")).not.toContain("Unreleased");
    expect(await inClone("packages/cli/CHANGELOG.md")).toContain(`## ${version}\n`);
    expect((await readdir(join(workflow.clone, ".changeset"))).filter((name) => name.endsWith(".md"))).toEqual([]);
  });

  it("leaves sources whose tests of all that carries it pass", SLOW, async () => {
    const files = [
      "test/init/personalities.test.ts",
      "test/init/layer.test.ts",
      "test/init/sbom.test.ts",
      "test/unit/release",
    ];
    const vitest = [join(workflow.clone, "node_modules/vitest/vitest.mjs"), "run", ...files];
    const { stdout } = await exec(process.execPath, vitest, { cwd: workflow.clone, maxBuffer: 1 << 26 });
    expect(stdout).toMatch(/Test Files .*4 passed/);
  });
});

describe("the publication", () => {
  it("brings the packages to npm, the inits first, once", async () => {
    expect(workflow.npm.published).toEqual([`@initwrap/init-core@${version}`, `initwrap@${version}`]);
    const { versions } = (await (await fetch(`${workflow.npm.url}initwrap`)).json()) as {
      readonly versions: Readonly<Record<string, { readonly dependencies: unknown }>>;
    };
    expect(versions[version]?.dependencies).toEqual({ "@initwrap/init-core": version });
    for (const file of [`initwrap-${version}.tgz`, `initwrap-init-core-${version}.tgz`]) {
      const name = file.includes("core") ? "@initwrap/init-core" : "initwrap";
      const tarball = await fetch(`${workflow.npm.url}${name}/-/${file.replace("initwrap-init", "init")}`);
      expect(sha256(new Uint8Array(await tarball.arrayBuffer()))).toBe(sha256(await readFile(join(release, file))));
    }
  });

  it("brings every file to the release on GitHub", async () => {
    const names = (await readdir(release)).sort();
    const uploaded = (await readdir(workflow.uploads)).filter((name) => !name.startsWith(".")).sort();
    expect(uploaded).toEqual(names);
    for (const name of names) {
      expect(sha256(await readFile(join(workflow.uploads, name))), name).toBe(
        sha256(await readFile(join(release, name))),
      );
    }
    const [, create] = await workflow.calls();
    expect(create).toContain(`release create initwrap@${version} --repo ${REPOSITORY}`);
  });

  it("can be run again, and then has nothing to publish", SLOW, async () => {
    const again = await workflow.run("build", await workflow.run("version"));
    expect(again!.outputs).toEqual({ version, published: "true" });
    expect(await workflow.run("publish", again)).toBeUndefined();
    // As when the job before had failed half-way.
    await rm(join(folder, "job"), { recursive: true });
    const repeated = await workflow.run("publish", { ...again!, outputs: { version, published: "false" } });
    expect(repeated!.stdout).toContain(`initwrap@${version} is published already`);
    expect(workflow.npm.published).toHaveLength(2);
    expect((await workflow.calls()).filter((call) => call.startsWith("release create"))).toHaveLength(1);
  });
});

describe("sources that say nobody's name", () => {
  it("are built, and not for publication", async () => {
    const env = { ...process.env, GITHUB_REPOSITORY: "initwrap/initwrap" };
    const call = exec(process.execPath, [join(ROOT, "scripts/release.mjs"), "--publishable"], { env });
    await expect(call).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('"author" is The initwrap authors <initwrap@example.invalid>'),
    });
  });

  it("are not built in another repository than they say", async () => {
    const env = { ...process.env, GITHUB_REPOSITORY: "somebody/else" };
    await expect(exec(process.execPath, [join(ROOT, "scripts/release.mjs")], { env })).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining("this is somebody/else"),
    });
  });
});

describe("the release", () => {
  it("has every artefact, each under its checksum and in the bill of materials", async () => {
    const names = (await readdir(release)).sort();
    const stem = `initwrap-${version}`;
    expect(names).toEqual(
      [
        "SHA256SUMS",
        `${stem}-image.tar`,
        `${stem}-linux-amd64.tar.gz`,
        `${stem}-linux-arm64.tar.gz`,
        `${stem}.cdx.json`,
        `${stem}.tgz`,
        `initwrap-init-core-${version}.tgz`,
        "initwrap.rb",
        `initwrap_${version}_amd64.deb`,
        `initwrap_${version}_arm64.deb`,
      ].sort(),
    );
    await exec("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: release });
    const text = await readFile(join(release, `${stem}.cdx.json`), "utf8");
    expect(await new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(text)).toBeNull();
    const { components, dependencies } = JSON.parse(text);
    for (const name of names.filter((one) => !/SUMS|cdx/.test(one))) {
      const component = components.find((one: { name: string }) => one.name === name);
      expect(component?.hashes, name).toEqual([
        { alg: "SHA-256", content: sha256(await readFile(join(release, name))) },
      ]);
    }
    // Nothing says where it was built.
    for (const name of names) expect((await readFile(join(release, name))).includes(folder), name).toBe(false);
    for (const program of Object.values(programs)) {
      expect((await readFile(program)).includes(folder), program).toBe(false);
    }
    // Whatever is depended on is described.
    const known = components.map((one: { "bom-ref": string }) => one["bom-ref"]);
    for (const { dependsOn } of dependencies) expect(known).toEqual(expect.arrayContaining(dependsOn));
  });

  it("has a formula that names the files by their checksums, and in which rubocop finds nothing", async (context) => {
    const formula = await readFile(join(release, "initwrap.rb"), "utf8");
    for (const name of [`initwrap-${version}-linux-amd64.tar.gz`, `initwrap-${version}-linux-arm64.tar.gz`]) {
      expect(formula).toContain(`/${name}"\n      sha256 "${sha256(await readFile(join(release, name)))}"`);
    }
    await requireProgram(context, "ruby");
    const { stdout } = await exec("ruby", ["-c", join(release, "initwrap.rb")]);
    expect(stdout).toBe("Syntax OK\n");
    await requireProgram(context, "rubocop");
    const config = join(folder, "rubocop.yml");
    await writeFile(config, RUBOCOP);
    const lint = (file: string) =>
      exec("rubocop", ["--cache", "false", "--config", config, "--format", "emacs", file]).then(
        (done) => done.stdout,
        ({ stdout }) => stdout,
      );
    expect(await lint(join(release, "initwrap.rb"))).toBe("");
    await writeFile(join(folder, "bad.rb"), formula.replace('"MIT"', "'MIT'"));
    expect(await lint(join(folder, "bad.rb"))).toContain("Style/StringLiterals");
  });

  it.each([
    ["linux", "intel"],
    ["macos", "arm"],
  ])("has a formula that installs for %s on %s, and passes its own test", async (system, processor) => {
    const prefix = join(folder, `brew-${system}`);
    const words = [join(release, "initwrap.rb"), system, processor, release, prefix];
    const env = {
      ...process.env,
      PATH: `${dirname(process.execPath)}:${process.env["PATH"]}`,
      npm_config_registry: workflow.npm.url,
      npm_config_cache: join(folder, "npm-cache"),
    };
    const { stdout } = await exec("ruby", [join(ROOT, "test/support/homebrew.rb"), ...words], { env });
    expect(stdout).toContain(`version ${version}\n`);
    expect((await exec(join(prefix, "bin/initwrap"), ["--version"], { env })).stdout).toContain(`initwrap/${version} `);
    if (system === "linux") {
      expect(await readdir(join(prefix, "share/man/man1"))).toContain("initwrap.1");
      for (const place of ["etc/bash_completion.d/initwrap", "share/zsh/site-functions/_initwrap"]) {
        expect(await readFile(join(prefix, place), "utf8"), place).toContain("initwrap");
      }
    }
  });
});

/** Homebrew's rules where they are others than rubocop's. */
const RUBOCOP = `
AllCops: { NewCops: enable, SuggestExtensions: false }
Style/StringLiterals: { EnforcedStyle: double_quotes }
Style/FrozenStringLiteralComment: { Enabled: false }
Layout/SpaceAroundOperators: { Enabled: false }
Metrics: { Enabled: false }
`;

async function requireProgram(context: SkippableContext, program: string): Promise<void> {
  const found = await exec(program, ["--version"]).catch(() => undefined);
  requireCapability(context, program, found !== undefined);
}

describe("the standalone program", () => {
  /** In a folder of samples, with nothing of this machine's Node.js. */
  const standalone = async (architecture: string, args: readonly string[]): Promise<CliResult> => {
    const words =
      architecture === "arm64"
        ? ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", programs["arm64"]!]
        : [programs["amd64"]!];
    const child = spawn(words[0]!, [...words.slice(1), ...args], {
      cwd: join(folder, "samples"),
      env: { PATH: "/usr/bin:/bin", HOME: folder, DOCKER_HOST: "unix:///nonexistent" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { status, stdout, stderr } = await outcomeOf(child);
    return { status: status ?? -1, stdout: Buffer.from(stdout), stderr };
  };
  const calls: readonly (readonly string[])[] = [
    ["dockerfile", "Dockerfile", "--offline"],
    ["dockerfile", "Dockerfile", "--offline", "--json"],
    ["dockerfile", "absent"],
    ["image", "app.tar", "--dry-run"],
    ["inspect", "app.tar", "--json"],
    ["verify", "app.tar"],
    ["generate", "--help"],
    ["ci", "github"],
    ["ci", "tekton"],
    ["nope"],
  ];
  // The same program under an emulator: a few calls, for each takes seconds.
  const cases = [
    ...calls.map((args) => ["amd64", args] as const),
    ...calls.filter((_, at) => [0, 4, 8].includes(at)).map((args) => ["arm64", args] as const),
  ];

  it.each(cases)("for %s does %j as the npm package does", async (architecture, args) => {
    const env = { HOME: folder, DOCKER_HOST: "unix:///nonexistent", GITHUB_ACTIONS: "" };
    const cli = join(workflow.clone, "packages/cli/bin/run.js");
    const child = spawn(process.execPath, [cli, ...args], {
      cwd: join(folder, "samples"),
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const wanted = await outcomeOf(child);
    const got = await standalone(architecture, args);
    expect(got.stderr).toBe(wanted.stderr);
    expect([got.status, got.stdout.toString()]).toEqual([wanted.status, wanted.stdout]);
  });

  it("wraps an archive, builds the init's image, and runs a command under the init", async () => {
    const wrapped = await standalone("amd64", ["image", "app.tar", "-o", "../wrapped.tar"]);
    expect(wrapped.stdout.toString()).toMatch(/^example\/app:1@sha256:[0-9a-f]{64}\n$/);
    const built = await standalone("amd64", ["init-image", "--output", "../init"]);
    expect(built.stdout.toString()).toMatch(/^oci:\.\.\/init@sha256:[0-9a-f]{64}\n$/);
    const ran = await standalone("amd64", ["run", "--", "sh", "-c", "echo ran; exit 9"]);
    expect([ran.status, ran.stdout.toString(), ran.stderr]).toEqual([9, "ran\n", ""]);
  });
});

describe("the Debian package", () => {
  it("is installed by dpkg, runs, and is removed without a trace", async (context) => {
    const engine = requireEngine(context);
    await provideBaseImage(engine);
    // The one folder that the engine shares with this machine.
    const shared = await mkdtemp(join(dirname(engine.host.replace("unix://", "")), "release-"));
    try {
      await cp(join(release, `initwrap_${version}_amd64.deb`), join(shared, "initwrap.deb"));
      // The base image has no C++ library, which apt would fetch, and wants no manual pages.
      await exec("apt-get", ["-q", "download", "libstdc++6"], { cwd: shared });
      const script = `dpkg -i --path-include='/usr/share/*' /deb/*.deb >&2 && initwrap --version && dpkg -V initwrap && dpkg -P initwrap >&2 &&
        ! [ -e /usr/bin/initwrap ] && echo gone`;
      const args = ["run", "--rm", "--network=none", "-v", `${shared}:/deb:ro`, BASE_IMAGE, "sh", "-c", script];
      const { stdout } = await engine.docker(args);
      expect(stdout).toMatch(new RegExp(`^initwrap/${version} linux-x64 node-v[0-9.]+\ngone\n$`));
    } finally {
      await rm(shared, { recursive: true, force: true });
    }
  });

  it(
    "has nothing that lintian calls an error or a warning, and its checksums, manual pages and completions",
    SLOW,
    async (context) => {
      const deb = join(release, `initwrap_${version}_amd64.deb`);
      const { stdout: list } = await exec("dpkg-deb", ["--contents", deb]);
      for (const path of [
        "usr/share/bash-completion/completions/initwrap",
        "usr/share/fish/vendor_completions.d/initwrap.fish",
        "usr/share/man/man1/initwrap-image.1.gz",
        "usr/share/zsh/vendor-completions/_initwrap",
      ]) {
        expect(list).toContain(` ./${path}\n`);
      }
      const { stdout: maintainer } = await exec("dpkg-deb", ["-f", deb, "Maintainer", "Homepage"]);
      expect(maintainer).toBe(
        `Maintainer: The Acme authors <initwrap@acme.dev>\nHomepage: https://github.com/${REPOSITORY}\n`,
      );
      const { stdout: sums } = await exec("dpkg-deb", ["--info", deb, "md5sums"]);
      expect(sums).toMatch(/^[0-9a-f]{32} {2}usr\/bin\/initwrap$/m);
      await requireProgram(context, "lintian");
      const lintian = await exec("lintian", ["--no-cfg", "--allow-root", "--fail-on", "error,warning", deb]);
      expect(lintian.stdout).toBe("");
    },
  );

  it("is for the architecture that it says", async () => {
    const { stdout } = await exec("dpkg-deb", ["-f", join(release, `initwrap_${version}_arm64.deb`), "Architecture"]);
    expect(stdout).toBe("arm64\n");
    const tree = join(folder, "deb-arm64");
    await exec("dpkg-deb", ["-x", join(release, `initwrap_${version}_arm64.deb`), tree]);
    expect(sha256(await readFile(join(tree, "usr/bin/initwrap")))).toBe(sha256(await readFile(programs["arm64"]!)));
  });
});

describe("the image", () => {
  const FOREIGN = "12345";
  const published = (): string => `${workflow.images.host}/${REPOSITORY.toLowerCase()}`;

  /** A folder that the engine shares with this machine, with a Dockerfile, for everybody to write to. */
  async function sharedFolder(parent: string): Promise<string> {
    const shared = await mkdtemp(join(parent, "release-"));
    await chmod(shared, 0o777);
    await writeFile(join(shared, "Dockerfile"), 'FROM scratch\nENTRYPOINT ["/app"]\n');
    await chmod(join(shared, "Dockerfile"), 0o666);
    return shared;
  }

  const engines = ["modern", "modern-graph"] as const;
  it.for(engines)("is pulled by %s, and wraps Dockerfiles and images, whoever runs it", SLOW, async (name, context) => {
    const engine = requireEngine(context, name);
    const socket = engine.host.replace("unix://", "");
    const shared = await sharedFolder(dirname(socket));
    const [image, sample] = [`${published()}:${version}`, freshTag("release")];
    try {
      await engine.docker(["pull", "--quiet", image], { env: workflow.login });
      const inspected = JSON.parse((await engine.docker(["inspect", image])).stdout);
      expect(inspected[0].Config.Entrypoint).toEqual(["/initwrap", "--", "/usr/local/bin/initwrap"]);
      expect(inspected[0].RepoDigests).toContain(`${published()}@${await digestOf("latest")}`);
      const run = ["run", "--rm", "--network=none", "--read-only", "-v", `${shared}:/work`];
      for (const who of [[], ["--user", `${FOREIGN}:${FOREIGN}`]]) {
        const wrapped = await engine.docker([...run, ...who, image, "dockerfile", "--offline"]);
        expect(wrapped.stdout).toContain('ENTRYPOINT ["/initwrap", "--", "/app"]');
        const absent = await engine.docker([...run, ...who, image, "dockerfile", "absent"], { check: false });
        expect(absent.status).toBe(3);
      }
      const user = ["--user", `${FOREIGN}:${FOREIGN}`];
      await engine.docker([...run, ...user, image, "dockerfile", "--offline", "-o", "Dockerfile.wrapped"]);
      expect((await stat(join(shared, "Dockerfile.wrapped"))).uid).toBe(Number(FOREIGN));
      await engine.docker(["build", "-t", sample, "."], { cwd: shared });
      const group = ["--group-add", String((await stat(socket)).gid)];
      const mounted = ["run", "--rm", "--network=none", "-v", `${socket}:/var/run/docker.sock`];
      await engine.docker([...mounted, ...user, ...group, image, "image", `docker:${sample}`]);
      const after = JSON.parse((await engine.docker(["inspect", sample])).stdout);
      expect(after[0].Config.Entrypoint).toEqual(["/initwrap", "--", "/app"]);
    } finally {
      await engine.docker(["rmi", "--force", image, sample], { check: false });
      await rm(shared, { recursive: true, force: true });
    }
  });

  it("is loaded from its archive, and pulled and run by podman", SLOW, async (context) => {
    const engine = requireEngine(context);
    const name = `initwrap:${version}`;
    try {
      await engine.docker(["load", "--input", join(release, `initwrap-${version}-image.tar`)]);
      expect((await engine.docker(["run", "--rm", "--network=none", name, "--version"])).stdout).toContain(version);
    } finally {
      await engine.docker(["rmi", "--force", name], { check: false });
    }
    requireCapability(context, "podman", podmanAvailable);
    const { podman, stop } = await startPodman();
    const shared = await sharedFolder(folder);
    try {
      const image = `${published()}:latest`;
      const auth = ["--authfile", join(workflow.login["DOCKER_CONFIG"]!, "config.json"), "--tls-verify=false"];
      await podman(["pull", "--quiet", ...auth, image]);
      const run = ["run", "--rm", "--network=none", "--read-only", "-v", `${shared}:/work`];
      for (const who of [[], ["--user", `${FOREIGN}:${FOREIGN}`]]) {
        expect(await podman([...run, ...who, image, "dockerfile", "--offline"])).toContain('"/initwrap", "--", "/app"');
      }
    } finally {
      await stop();
    }
  });

  it("has the program and its libraries for arm64 as well", SLOW, async (context) => {
    const tree = join(folder, "image-arm64");
    await mkdir(tree);
    const archive = join(folder, "image");
    await mkdir(archive);
    await exec("tar", ["-xf", join(release, `initwrap-${version}-image.tar`), "-C", archive]);
    const blob = async (digest: string) => JSON.parse(await readFile(blobPath(archive, digest), "utf8"));
    const [root] = JSON.parse(await readFile(join(archive, "index.json"), "utf8")).manifests;
    const index = await blob(root.digest);
    expect(root.digest).toBe(await digestOf(version));
    expect(index.manifests.map(({ platform }: { platform: object }) => platform)).toMatchObject([
      { os: "linux", architecture: "amd64" },
      { os: "linux", architecture: "arm64" },
    ]);
    const manifest = await blob(index.manifests[1].digest);
    expect((await blob(manifest.config.digest)).architecture).toBe("arm64");
    for (const { digest } of manifest.layers) await exec("tar", ["-xzf", blobPath(archive, digest), "-C", tree]);
    const program = join(tree, "usr/local/bin/initwrap");
    expect(sha256(await readFile(program))).toBe(sha256(await readFile(programs["arm64"]!)));
    const documents = join(tree, "usr/share/doc");
    expect(await readFile(join(documents, "initwrap/LICENSE.third-party"), "utf8")).toMatch(
      /^== Node\.js ==\n.*^== handlebars /ms,
    );
    expect(await readFile(join(documents, "libc6/copyright"), "utf8")).toMatch(/GNU Lesser General Public\s+License/);
    expect(await readFile(join(documents, "gcc-12-base/copyright"), "utf8")).toContain("Runtime Library Exception");
    await requireProgram(context, "qemu-aarch64");
    // Its loader and libraries are those of the image.
    const { stdout } = await exec("qemu-aarch64", ["-L", tree, program, "--version"], { env: { HOME: folder } });
    expect(stdout).toMatch(new RegExp(`^initwrap/${version} linux-arm64 `));
  });

  function blobPath(archive: string, digest: string): string {
    return join(archive, "blobs", digest.replace(":", "/"));
  }

  /** What the registry has under a tag: the digest of the index. */
  async function digestOf(tag: string): Promise<string> {
    const { auths } = JSON.parse(await readFile(join(workflow.login["DOCKER_CONFIG"]!, "config.json"), "utf8"));
    const url = `http://${workflow.images.host}/v2/${REPOSITORY.toLowerCase()}/manifests/${tag}`;
    const accept = "application/vnd.oci.image.index.v1+json";
    const headers = { accept, authorization: `Basic ${auths[workflow.images.host].auth}` };
    const answer = await fetch(url, { headers, method: "HEAD" });
    expect(answer.headers.get("content-type")).toBe(accept);
    return answer.headers.get("docker-content-digest")!;
  }
});
