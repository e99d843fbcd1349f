/** What `pnpm release:build` makes: complete, checked by its own checksums, and used as it is installed. */
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { type CliResult, initwrap } from "../support/cli.ts";
import { requireEngine } from "../support/engine.ts";
import { BASE_IMAGE, freshTag, provideBaseImage } from "../support/images.ts";
import { outcomeOf } from "../support/outcome.ts";
import { ROOT } from "../support/programs.ts";

const exec = promisify(execFile);
const SAMPLES = join(ROOT, "test/fixtures/samples");

let folder: string;
let release: string;
let version: string;
const programs: Record<string, string> = {};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-release-"));
  release = join(folder, "release");
  version = JSON.parse(await readFile(join(ROOT, "packages/cli/package.json"), "utf8")).version;
  await exec(process.execPath, [join(ROOT, "scripts/release.mjs"), "--output", release], { maxBuffer: 1 << 26 });
  for (const architecture of ["amd64", "arm64"]) {
    const stem = `initwrap-${version}-linux-${architecture}`;
    await exec("tar", ["-xzf", join(release, `${stem}.tar.gz`)], { cwd: folder });
    programs[architecture] = join(folder, stem, "initwrap");
  }
  await cp(SAMPLES, join(folder, "samples"), { recursive: true });
}, 600_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

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
    // Whatever is depended on is described.
    const known = components.map((one: { "bom-ref": string }) => one["bom-ref"]);
    for (const { dependsOn } of dependencies) expect(known).toEqual(expect.arrayContaining(dependsOn));
  });

  it("has a formula that names the files by their checksums", async (context) => {
    const formula = await readFile(join(release, "initwrap.rb"), "utf8");
    for (const name of [`initwrap-${version}-linux-amd64.tar.gz`, `initwrap-${version}-linux-arm64.tar.gz`]) {
      expect(formula).toContain(`/${name}"\n      sha256 "${sha256(await readFile(join(release, name)))}"`);
    }
    const ruby = await exec("ruby", ["--version"]).catch(() => undefined);
    requireCapability(context, "ruby", ruby !== undefined);
    const { stdout } = await exec("ruby", ["-c", join(release, "initwrap.rb")]);
    expect(stdout).toBe("Syntax OK\n");
  });
});

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
    const wanted = await initwrap(args, { cwd: join(folder, "samples"), env });
    const got = await standalone(architecture, args);
    expect(got.stderr).toBe(wanted.stderr);
    expect([got.status, got.stdout.toString()]).toEqual([wanted.status, wanted.stdout.toString()]);
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

  it("is for the architecture that it says", async () => {
    const { stdout } = await exec("dpkg-deb", ["-f", join(release, `initwrap_${version}_arm64.deb`), "Architecture"]);
    expect(stdout).toBe("arm64\n");
    const tree = join(folder, "deb-arm64");
    await exec("dpkg-deb", ["-x", join(release, `initwrap_${version}_arm64.deb`), tree]);
    expect(sha256(await readFile(join(tree, "usr/bin/initwrap")))).toBe(sha256(await readFile(programs["arm64"]!)));
  });
});

describe("the image", () => {
  it("runs behind its own init, wraps a mounted Dockerfile, and an image by a mounted socket", async (context) => {
    const engine = requireEngine(context);
    const socket = engine.host.replace("unix://", "");
    const shared = await mkdtemp(join(dirname(socket), "release-"));
    const [name, sample] = [`initwrap:${version}`, freshTag("release")];
    try {
      await engine.docker(["load", "--input", join(release, `initwrap-${version}-image.tar`)]);
      const inspected = JSON.parse((await engine.docker(["inspect", name])).stdout);
      expect(inspected[0].Config.Entrypoint).toEqual(["/initwrap", "--", "/usr/local/bin/initwrap"]);
      await writeFile(join(shared, "Dockerfile"), 'FROM scratch\nENTRYPOINT ["/app"]\n');
      const run = ["run", "--rm", "--network=none", "--read-only", "-v", `${shared}:/work`, name];
      const wrapped = await engine.docker([...run, "dockerfile", "--offline"]);
      expect(wrapped.stdout).toContain('ENTRYPOINT ["/initwrap", "--", "/app"]');
      expect((await engine.docker([...run, "dockerfile", "absent"], { check: false })).status).toBe(3);
      await engine.docker(["build", "-t", sample, "."], { cwd: shared });
      const mounted = ["run", "--rm", "--network=none", "-v", `${socket}:/var/run/docker.sock`, name];
      await engine.docker([...mounted, "image", `docker:${sample}`]);
      const after = JSON.parse((await engine.docker(["inspect", sample])).stdout);
      expect(after[0].Config.Entrypoint).toEqual(["/initwrap", "--", "/app"]);
    } finally {
      await engine.docker(["rmi", "--force", name, sample], { check: false });
      await rm(shared, { recursive: true, force: true });
    }
  });
});
