/**
 * What a user may get wrong in a call of `image`, `verify`, `inspect`, `probe` or `init-image`: each is told once, with its code,
 * its place and what to do, and nothing is left half-written.
 */
import { execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { legacyArchive, sampleImage, tarOf } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { CLI, type CliResult, initwrap } from "../support/cli.ts";

const env = {
  HOME: "/nonexistent",
  DOCKER_HOST: "unix:///nonexistent/docker.sock",
  DOCKER_CONFIG: "",
  NO_COLOR: "1",
  CI: "",
  GITHUB_ACTIONS: "",
};
const image = sampleImage();
const tars = [tarOf([["file-0", "hello\n"]]), tarOf([["file-1", "world\n"]])];
const good = legacyArchive(image, ["sample:1"], tars);
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "initwrap-input-"));
  const put = (name: string, bytes: string | Uint8Array): void => writeFileSync(join(folder, name), bytes);
  put("good.tar", good);
  put("empty.tar", "");
  put("text.tar.gz", gzipSync("no archive\n".repeat(100)));
  put("other.tar", tarOf([["etc/passwd", "root"]]));
  put("cut.tar", good.subarray(0, 3000));
  put("cut.tar.gz", gzipSync(good).subarray(0, 300));
  put("disk.iso", Buffer.alloc(40_000));
  put("list.txt", "# mine\n\ngood.tar\r\n  other.tar  \n\ufeff\nnomanifest\nlocalhost:1/app:1\n");
  put("wide.txt", Buffer.from([0xff, 0xfe, 0x67, 0x00]));
  put("refs.txt", "localhost:1/app:1\n");
  mkdirSync(join(folder, "plain"));
  mkdirSync(join(folder, "unpacked"));
  put("unpacked/manifest.json", "[]");
  for (const [name, missing] of [
    ["nomanifest", /manifest/],
    ["noconfig", /config/],
    ["nolayer", /layer/],
  ] as const) {
    mkdirSync(join(folder, name, "blobs/sha256"), { recursive: true });
    put(`${name}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
    put(`${name}/index.json`, JSON.stringify({ schemaVersion: 2, manifests: [image.root] }));
    for (const { descriptor, bytes } of image.blobs) {
      if (!missing.test(descriptor.mediaType)) put(`${name}/blobs/sha256/${descriptor.digest.slice(7)}`, bytes);
    }
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (...args: string[]): Promise<CliResult> => initwrap(args, { env, cwd: folder });

/** Every file of the folder, with its size. */
function tree(): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => `${name} ${statSync(join(folder, name)).size}`)
    .sort();
}

const WRONG: readonly (readonly [args: readonly string[], exit: number, told: string])[] = [
  [["image", "dcoker:app"], 6, "Did you mean docker:app?"],
  [["verify", "regsitry:localhost/app"], 3, "hint: Did you mean registry:localhost/app?"],
  [["image", "oci:"], 3, "error[LOCATOR_INVALID]: oci: has nothing behind its colon\nhint: "],
  [["image", ""], 3, "error[LOCATOR_INVALID]: the name of the image is empty\nhint: "],
  [["inspect", "app:latest:x"], 3, 'error[LOCATOR_INVALID]: "app:latest:x" is neither a path'],
  [["image", " app"], 3, "hint: Did you mean app?"],
  [["image", "App/Web:1"], 3, "hint: Names are in lower case: did you mean app/web:1?"],
  [
    ["image", "docker://localhost:1/app"],
    3,
    "docker: is followed by a name, and by no //\nhint: Did you mean registry:localhost:1/app?",
  ],
  [["verify", "registry://localhost:1/app"], 3, "hint: Did you mean registry:localhost:1/app?"],
  [["image", "good.tar", "-o", "podman://app"], 3, "hint: Did you mean podman:app?"],
  [["image", "registry:http://localhost:1/app"], 3, "hint: Did you mean localhost:1/app?"],
  [["image", "https://localhost:1/app"], 3, "hint: Did you mean registry:localhost:1/app?"],
  [["verify", "docker-daemon:app"], 6, "hint: Did you mean docker:app?"],
  [["image", "registry:localhost:99999/app"], 3, "is no image reference"],
  [["image", "C:\\images\\app.tar"], 3, "error[INPUT_NOT_FOUND]: there is no C:\\images\\app.tar\n"],
  [
    ["image", "plain"],
    3,
    "error[INPUT_NOT_FOUND]: plain is a folder without an OCI layout: it has no index.json\nhint: ",
  ],
  [["image", "unpacked"], 3, "hint: It looks like an archive of docker save that was unpacked"],
  [["image", "empty.tar"], 3, "error[ARCHIVE_INVALID]: empty.tar: the file is empty"],
  [["image", "text.tar.gz"], 3, "error[ARCHIVE_INVALID]: text.tar.gz: not a tar archive"],
  [["verify", "other.tar"], 3, "error[ARCHIVE_INVALID]: other.tar: the archive has neither"],
  [["image", "disk.iso"], 3, "error[ARCHIVE_INVALID]: disk.iso: "],
  [["inspect", "cut.tar"], 3, "error[ARCHIVE_TRUNCATED]: cut.tar: the archive ends in the middle"],
  [["image", "cut.tar.gz"], 3, "error[ARCHIVE_TRUNCATED]: cut.tar.gz: the gzip stream ends too early"],
  [["image", "nomanifest"], 3, "error[IMAGE_NOT_FOUND]: nomanifest: the image's manifest is missing: sha256:"],
  [["verify", "noconfig"], 3, "error[IMAGE_NOT_FOUND]: noconfig: the image's config is missing: sha256:"],
  [["image", "nolayer", "-o", "oci:new"], 3, "is missing"],
  [["image", "good.tar", "-o", "nosuch/out.tar"], 7, "cannot write nosuch/out.tar: the folder does not exist"],
  [["image", "good.tar", "-o", "good.tar/x.tar"], 7, "cannot write good.tar/x.tar: a part of the path is no folder"],
  [["image", "good.tar", "-o", "oci-archive:plain"], 7, "cannot write plain: it is a folder"],
  [["image", "good.tar", "-o", "new.tar", "--metadata-file", "nosuch/m.json"], 7, "cannot write nosuch/m.json"],
  [["image", "good.tar", "-o", "new.tar", "--iidfile", "plain"], 7, "cannot write plain: it is a folder"],
  [
    ["image", "good.tar", "--digest-file", "good.tar"],
    2,
    "error[USAGE]: --digest-file: good.tar is used by the run itself",
  ],
  [["image", "good.tar", "-o", "new.tar", "--metadata-file", "./new.tar"], 2, "--metadata-file: ./new.tar is used by "],
  [
    ["image", "good.tar", "--iidfile", "x", "--digest-file", "./x"],
    2,
    "--digest-file: ./x is used by --iidfile\nhint: ",
  ],
  [["image", "good.tar", "--digest-file", "-"], 2, "--digest-file: standard output has the result's name and digest"],
  [["image", "good.tar", "-o", "-", "--digest-file", "/dev/stdout"], 2, "/dev/stdout is used by the run itself"],
  [["image", "--from", "refs.txt", "--push", "--metadata-file", "refs.txt"], 2, "refs.txt is used by the run itself"],
  [["probe", "good.tar", "--report", "good.tar"], 2, "error[USAGE]: --report: good.tar is used by the run itself"],
  [["image", "good.tar", "--insecure-registry", "http://h:5000/x"], 2, "is no HOST[:PORT]\nhint: Did you mean h:5000?"],
  [
    ["verify", "good.tar", "--insecure-registry", "a,b"],
    2,
    "--insecure-registry: a,b is no HOST[:PORT]\nhint: Write it as",
  ],
  [["image", "good.tar", "-o", "a.tar", "-o", "b.tar"], 2, "error[USAGE]: --output is given more than once\nhint: "],
  [["image", "--push=true"], 2, "error[USAGE]: --push takes no value\nhint: Write --push, or leave it out.\n"],
  [["verify", "good.tar", "--json=false"], 2, "--json takes no value"],
  [["image", "good.tar", "-o", ""], 3, "error[LOCATOR_INVALID]: --output: the name of the image is empty"],
  [["image", "docker:UPPER"], 3, 'docker:UPPER: "UPPER" is no image reference\nhint: Names are in lower case: did you'],
  [["image", "docker:[context"], 3, '"[context" is no image reference\nhint: The bracket is not closed.'],
  [["image", "good.tar", "-o", "docker:a b"], 3, 'error[LOCATOR_INVALID]: docker:a b: "a b" is no image reference'],
  [
    ["image", "good.tar", "-o", "new.tar", "-t", `app@sha256:${"0".repeat(64)}`],
    5,
    `which cannot be stored as sha256:${"0".repeat(64)}\nhint: Name the result by a tag`,
  ],
  [
    ["image", "good.tar", "-t", "UPPER:1"],
    3,
    'the result cannot be called "UPPER:1"\nhint: Names are in lower case: did you mean upper:1?',
  ],
  [["image", "good.tar", "-t", ""], 3, 'the result cannot be called ""'],
  [
    ["image", "good.tar", "--platform", "linux/amd64,lnux/arm64"],
    3,
    "good.tar: the image is not there for lnux/arm64\nhint: It has linux/amd64.",
  ],
  [
    ["inspect", "good.tar", "--platform", "linux/arm64"],
    3,
    "good.tar: the image is not there for linux/arm64\nhint: It has linux/amd64.",
  ],
  [
    ["image", "good.tar", "--push", "-t", "localhost:1/app"],
    6,
    "hint: Check the registry's name and port, and that it runs.",
  ],
  [["image", "/dev/zero", "-o", "new.tar"], 3, "error[ARCHIVE_INVALID]: /dev/zero: not a tar archive"],
  [
    ["image", "--from", "/dev/zero", "-t", "x"],
    3,
    "error[INPUT_UNREADABLE]: /dev/zero: the list cannot be read: it has more than",
  ],
  [["image", "--from", "plain", "-t", "x"], 3, "plain: the list cannot be read: it is a folder"],
  [["image", "--from", "wide.txt", "-t", "x"], 3, "wide.txt: the list cannot be read: it is not UTF-8 text\nhint: "],
  [
    ["image", "--from", "refs.txt", "-t", "{{repository}"],
    3,
    "refs.txt:1: --tag {{repository} cannot be read as a template",
  ],
  [["image", "--from", "refs.txt", "-t", '{{log "x"}}'], 3, "error[TEMPLATE_INVALID]: refs.txt:1: "],
  [
    ["image", "--from", "refs.txt", "-t", "{{constructor}}"],
    3,
    "refs.txt:1: --tag {{constructor}} needs constructor, which this image does not have\nhint: It has scheme, ",
  ],
  [
    ["image", "--from", "refs.txt", "-t", "{{tagg}}"],
    3,
    "needs tagg, which this image does not have\nhint: Did you mean {{tag}}?",
  ],
  [
    ["image"],
    2,
    "error[USAGE]: LOCATOR is missing\nhint: Name an image, or a list of them with --from.\n      initwrap",
  ],
  [["image", "good.tar", "--from", "refs.txt"], 2, "error[USAGE]: an image and --from exclude each other\nhint: "],
  [["probe"], 2, "error[USAGE]: LOCATOR is missing\nhint: initwrap probe --help lists what it takes.\n"],
  [["ci"], 2, "error[USAGE]: PROVIDER is missing\nhint: PROVIDER is one of github, "],
  [["ci", "githb"], 2, "\nhint: Did you mean github?\n      initwrap ci --help lists what it takes.\n"],
  [
    ["verify", "a", "b"],
    2,
    "error[USAGE]: unexpected argument: b\nhint: initwrap verify --help lists what it takes.\n",
  ],
  [["dockerfile", "--inject", "foo"], 2, "error[USAGE]: --inject foo: the value is none of inline, context, image\n"],
  [["dockerfile", "-o"], 2, "error[USAGE]: --output needs a value\n"],
  [["dockerfile", "--wrte"], 2, "error[USAGE]: there is no flag --wrte\nhint: Did you mean --write?\n"],
  [["version"], 2, "error[USAGE]: there is no command version\nhint: Did you mean initwrap --version?\n"],
  [["probe", "good.tar", "--report", "nosuch/x.html"], 7, "cannot write nosuch/x.html: the folder does not exist"],
  [["init-image", "--output", "-"], 2, "error[USAGE]: --output needs a folder"],
  [["init-image", "--push", "https://localhost:1/x"], 2, "hint: Did you mean localhost:1/x?"],
];

describe("a call that cannot be done", () => {
  it.concurrent.each(WRONG)("%j ends with %i and says why", async (args, exit, told) => {
    const { status, stdout, stderr } = await run(...args);
    expect([status, stdout.toString()], stderr).toEqual([exit, ""]);
    expect(stderr).toContain(told);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(stderr.match(/error\[/g)).toHaveLength(1);
  });

  it("leaves everything as it was", async () => {
    const before = tree();
    for (const args of WRONG.map(([words]) => words).filter((words) => words.includes("-o"))) await run(...args);
    expect(tree()).toEqual(before);
  });

  it("is one JSON document under --json", async () => {
    const { status, stdout, stderr } = await run("image", "empty.tar", "--json");
    expect([status, stderr]).toEqual([3, ""]);
    expect(JSON.parse(stdout.toString())).toEqual({
      version: 1,
      error: {
        code: "ARCHIVE_INVALID",
        message: "the file is empty (at byte 0)",
        exit: 3,
        where: "empty.tar",
        hint: expect.any(String),
      },
    });
  });
});

describe("a list of which some fail", () => {
  it.each([[["-q"]], [[]]])(
    "tells each failure once in full, with its line, its image and a hint: %j",
    async (more) => {
      const { status, stdout, stderr } = await run("image", "--from", "list.txt", "-o", "oci:out:{{name}}", ...more);
      expect(status, stderr).toBe(3);
      expect(stdout.toString()).toMatch(/^sha256:[0-9a-f]{64}\n$/);
      expect(stderr).toContain(
        `error[ARCHIVE_INVALID]: list.txt:4 (other.tar): the archive has neither manifest.json nor index.json
hint: It is no image archive; docker export writes file systems, docker save writes images.
error[IMAGE_NOT_FOUND]: list.txt:6 (nomanifest): the image's manifest is missing: ${image.root.digest}
hint: The image is not complete there: copy, save or push it again.
error[REGISTRY_FAILED]: list.txt:7 (localhost:1/app:1): GET http://localhost:1/v2/app/manifests/1 failed: `,
      );
      for (const message of ["the archive has neither", "manifest is missing", "refused the connection"]) {
        expect(stderr.split(message)).toHaveLength(2);
      }
      if (more.length === 0) expect(stderr).toContain("oci:out:other       failed, ARCHIVE_INVALID\n");
    },
  );
});

describe("a place that is no file", () => {
  const archived = (bytes: Uint8Array): void => expect(bytes.subarray(257, 262).toString()).toBe("ustar");

  it("is written through when it is a pipe, and read from one; neither is replaced", async () => {
    const pipe = join(folder, "pipe");
    rmSync(pipe, { force: true });
    execFileSync("mkfifo", [pipe]);
    const reader = spawn("cat", [pipe]);
    const parts: Buffer[] = [];
    reader.stdout.on("data", (part: Buffer) => parts.push(part));
    const read = new Promise((resolve) => reader.on("close", resolve));
    const written = await run("image", "good.tar", "-o", "pipe", "--metadata-file", "/dev/stderr", "-q");
    expect([written.status, JSON.parse(written.stderr)], written.stderr).toEqual([
      0,
      expect.objectContaining({ "initwrap.changed": true }),
    ]);
    await read;
    archived(Buffer.concat(parts));
    expect(statSync(pipe).isFIFO()).toBe(true);
    const writer = spawn("cp", [join(folder, "good.tar"), pipe]);
    const sent = new Promise((resolve) => writer.on("close", resolve));
    expect((await run("image", "pipe", "-o", "from-pipe.tar")).status).toBe(0);
    await sent;
    expect(readFileSync(join(folder, "from-pipe.tar")).equals(Buffer.concat(parts))).toBe(true);
    const inPlace = await run("image", "pipe");
    expect([inPlace.status, inPlace.stderr]).toEqual([
      3,
      expect.stringContaining("pipe is no file that could be changed"),
    ]);
  });

  it.each([
    ["pipe-in", ["pipe-in", "-o", "never.tar"]],
    ["pipe-out", ["good.tar", "-o", "pipe-out"]],
  ] as const)("whose other end nobody holds is waited for, and SIGINT ends that: %s", async (name, args) => {
    execFileSync("mkfifo", [join(folder, name)]);
    const child = spawn(process.execPath, [CLI, "image", ...args], { cwd: folder, env: { ...process.env, ...env } });
    const ended = new Promise((resolve) => child.on("close", resolve));
    // Until it listens for signals it dies of them.
    await new Promise((resolve) => setTimeout(resolve, 4000));
    expect(child.exitCode).toBeNull();
    child.kill("SIGINT");
    expect(await ended).toBe(130);
  });

  it("is not replaced when it is a device, and a full one fails", async (context) => {
    const make = (name: string, minor: string): string => {
      const path = join(folder, name);
      rmSync(path, { force: true });
      execFileSync("mknod", ["-m", "666", path, "c", "1", minor], { stdio: "ignore" });
      return path;
    };
    let devices: string[] = [];
    try {
      devices = [make("null", "3"), make("full", "7")];
    } catch {
      // Only root may make them.
    }
    requireCapability(context, "mknod", devices.length === 2);
    expect((await run("image", "good.tar", "-o", "null")).status).toBe(0);
    const full = await run("image", "good.tar", "-o", "full");
    expect([full.status, full.stderr]).toEqual([7, expect.stringContaining("cannot write full: the disk is full")]);
    for (const device of devices) expect(statSync(device).isCharacterDevice()).toBe(true);
    const said = execFileSync(
      "sh",
      ["-c", `"$0" "$1" image good.tar --dry-run -q 2>&1 >full || echo $?`, process.execPath, CLI],
      {
        cwd: folder,
        env: { ...process.env, ...env },
      },
    );
    expect(said.toString()).toBe("error[OUTPUT_NOT_WRITTEN]: cannot write standard output: the disk is full\n7\n");
  });

  it("leaves no unpacked archive behind when the reader of the result goes away", async () => {
    const temporary = mkdtempSync(join(folder, "temporary-"));
    const noise = Buffer.from(Array.from({ length: 4 << 20 }, (_, at) => (at * 2654435761) >>> 13));
    const big = legacyArchive(sampleImage({ layers: [noise] }), ["big:1"], [tarOf([["file-0", noise]])]);
    writeFileSync(join(folder, "big.tar.gz"), gzipSync(big, { level: 1 }));
    const child = spawn(process.execPath, [CLI, "image", "big.tar.gz", "-o", "-"], {
      cwd: folder,
      env: { ...process.env, ...env, TMPDIR: temporary },
    });
    child.stdout.once("data", () => child.stdout.destroy());
    await new Promise((resolve) => child.on("close", resolve));
    expect(readdirSync(temporary)).toEqual([]);
  });
});

describe("an archive with two names", () => {
  it("is refused by --check as by the run, and not where nothing would be written", async () => {
    const path = join(folder, "one.tar");
    for (const name of ["one", "two", "link", "apart", "apart-too"])
      rmSync(join(folder, `${name}.tar`), { force: true });
    cpSync(join(folder, "good.tar"), path);
    linkSync(path, join(folder, "two.tar"));
    symlinkSync("one.tar", join(folder, "link.tar"));
    for (const args of [["one.tar"], ["one.tar", "--check"], ["link.tar", "--check"]]) {
      const { status, stderr } = await run("image", ...args);
      expect([status, stderr]).toEqual([5, expect.stringMatching(/^error\[HARD_LINKED\]: /)]);
    }
    expect(readFileSync(path).equals(good)).toBe(true);
    expect((await run("image", "one.tar", "-o", "apart.tar")).status).toBe(0);
    linkSync(join(folder, "apart.tar"), join(folder, "apart-too.tar"));
    expect((await run("image", "apart.tar", "--check")).status).toBe(0);
    expect((await run("image", "apart.tar")).stderr).toContain("nothing to do");
  });
});
