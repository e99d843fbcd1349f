/**
 * The same input gives the same bytes on every machine: another user, home, language, time zone, umask, working directory,
 * release of Node.js, host and file system change nothing of what is written.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, chown, cp, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { OCI_INDEX } from "../../packages/cli/src/model/media-types.ts";
import { mediumOf } from "../../packages/cli/src/store/media.ts";
import { nodeProgram } from "../../scripts/node-program.mjs";
import { descriptorOf, sampleIndex } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { CLI, initwrap, initwrapOk } from "../support/cli.ts";
import { ROOT } from "../support/programs.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { again } from "../support/sample-image.ts";

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;

/** One image and one index into each kind of place, and a Dockerfile by each way of bringing the init; what stdout got counts. */
const SCRIPT = `set -eu
initwrap() { "$NODE" "$CLI" "$@" --quiet; }
initwrap image "$IN/app.tar" -o "docker-archive:$OUT/app.tar" -t example/out:1
initwrap image "$IN/app.tar" -o "oci:$OUT/layout" -t example/out:1
initwrap image "oci:$IN/index" -o "oci-archive:$OUT/index.tar" -t example/index:1
initwrap image "oci:$IN/index" -o "registry:$REGISTRY/$NAME/index:1" >"$OUT/pushed"
initwrap dockerfile "$IN/Dockerfile" --offline >"$OUT/Dockerfile"
initwrap dockerfile "$IN/Dockerfile" --offline --inject context --context "$OUT" --platform linux/amd64,linux/arm64 >"$OUT/Dockerfile.context"
`;

interface Created {
  readonly created: string;
}

interface Machine {
  readonly node?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly umask?: string;
  /** Of a user and a group that no file of the system names. */
  readonly uid?: number;
}

let folder: string;
let input: string;
let registry: TestRegistry;
let first: string[];
let number = 0;

beforeAll(async () => {
  if (!registryAvailable) return;
  folder = await mkdtemp(join(tmpdir(), "initwrap-machines-"));
  await chmod(folder, 0o755);
  input = join(folder, "in");
  await mkdir(input);
  const samples = join(ROOT, "test/fixtures/samples");
  for (const name of ["app.tar", "Dockerfile"]) await cp(join(samples, name), join(input, name));
  // Without the platform that is listed and absent: a registry takes no such index.
  const { blobs } = sampleIndex();
  const whole = JSON.parse(Buffer.from(blobs.at(-1)!.bytes).toString());
  const bytes = Buffer.from(JSON.stringify({ ...whole, manifests: whole.manifests.slice(0, 2) }));
  const root = descriptorOf(OCI_INDEX, bytes);
  const sink = await (await mediumOf("oci")).sink(join(input, "index"), { env: {}, names: ["docker.io/library/i:1"] });
  for (const blob of blobs.slice(0, -1)) await sink.put(blob.descriptor, again(blob.bytes));
  await sink.put(root, again(bytes));
  await sink.commit(root);
  await sink.close();
  registry = await startRegistry();
  first = await resultOn({});
});
afterAll(async () => {
  await registry?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** Where a machine's results go, and the variables that its script reads. */
async function place(node: string, uid = 0): Promise<{ out: string; variables: Record<string, string> }> {
  const name = `machine${number++}`;
  const out = join(folder, name);
  await mkdir(out);
  if (uid !== 0) await chown(out, uid, uid);
  return { out, variables: { NODE: node, CLI, IN: input, OUT: out, REGISTRY: registry.host, NAME: name } };
}

async function resultOn({ node = process.execPath, env, cwd = folder, umask, uid }: Machine): Promise<string[]> {
  const { out, variables } = await place(node, uid);
  const { stdout } = await run("sh", ["-c", umask === undefined ? SCRIPT : `umask ${umask}\n${SCRIPT}`], {
    cwd,
    env: { PATH: process.env["PATH"], HOME: folder, ...env, ...variables },
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  return described(out, stdout);
}

/** Every file that was written, by its digest, and what was printed. */
async function described(out: string, stdout: string): Promise<string[]> {
  const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
  const entries = await readdir(out, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const lines = await Promise.all(
    files.map(async (file) => {
      const bytes = await readFile(file);
      // The name at the registry is the machine's own, and the digest behind it is not.
      const content = file.endsWith("/pushed") ? bytes.subarray(bytes.indexOf("@")) : bytes;
      return `${file.slice(out.length + 1)} ${content.length} ${digestOf(content)}`;
    }),
  );
  return [...lines.sort(), stdout];
}

it("wrote something everywhere, and the same index into an archive and a registry", async (context) => {
  requireCapability(context, "docker-registry", registryAvailable);
  const names = first.slice(0, -1).map((line) => line.split(" ")[0]);
  expect(names).toEqual(
    expect.arrayContaining(["Dockerfile", "Dockerfile.context", "app.tar", "index.tar", "layout/index.json", "pushed"]),
  );
  const printed = first.at(-1)!.trim().split("\n");
  expect(printed).toHaveLength(3);
  const pushed = (await readFile(join(folder, "machine0/pushed"), "utf8")).trim();
  expect(pushed.split("@")[1]).toBe(printed[2]!.split("@")[1]);
});

it("has the time of SOURCE_DATE_EPOCH where one is set, and is undone all the same", async (context) => {
  requireCapability(context, "docker-registry", registryAvailable);
  const layout = join(folder, "epoch");
  const source = join(input, "app.tar");
  const configAt = async (locator: string): Promise<{ digest: string; created: string; history: Created[] }> => {
    const { stdout } = await initwrapOk(["image", locator, "--dry-run", "--json"], { env: { HOME: folder } });
    const digest: string = JSON.parse(stdout.toString()).platforms[0].before.config;
    const bytes = await readFile(join(layout, "blobs/sha256", digest.slice(7)), "utf8").catch(() => "{}");
    return { ...JSON.parse(bytes), digest };
  };
  await initwrapOk(["image", source, "-o", `oci:${layout}`], { env: { SOURCE_DATE_EPOCH: "1000000000" } });
  const { created, history } = await configAt(`oci:${layout}`);
  expect([created, history.at(-1)!.created]).toEqual(["2001-09-09T01:46:40Z", "2001-09-09T01:46:40Z"]);
  await initwrapOk(["image", `oci:${layout}`, "--undo"]);
  expect((await configAt(`oci:${layout}`)).digest).toBe((await configAt(source)).digest);
  const wrong = await initwrap(["image", source, "--dry-run"], { env: { SOURCE_DATE_EPOCH: "yesterday" } });
  expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringContaining("SOURCE_DATE_EPOCH")]);
});

const TURKISH = { LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8", LANGUAGE: "tr" };
const NOWHERE = { HOME: "/nonexistent", XDG_CACHE_HOME: "/nonexistent", XDG_CONFIG_HOME: "/nonexistent" };
it.each<[string, Machine]>([
  [
    "another language, time zone and working directory, and a umask that keeps others out",
    { env: { ...TURKISH, TZ: "Pacific/Kiritimati" }, cwd: "/", umask: "077" },
  ],
  [
    "a user whom the system does not know, without a home, a language or a umask",
    { uid: 54_321, env: { ...NOWHERE, LC_ALL: "C", TERM: "dumb" }, umask: "000" },
  ],
])("is the same with %s", async (_, machine) => {
  requireCapability({ skip: () => undefined }, "root", machine.uid === undefined || isRoot);
  if (machine.uid !== undefined && !isRoot) return;
  expect(await resultOn(machine)).toEqual(first);
});

// The oldest that package.json allows; all others are the newest.
it("is the same with Node.js 22.3", async (context) => {
  const node = await nodeProgram(process.arch as "x64" | "arm64", "22.3.0");
  requireCapability(context, "Node.js 22.3.0", node !== undefined);
  expect((await run(node!, ["--version"])).stdout).toBe("v22.3.0\n");
  expect(await resultOn({ node: node! })).toEqual(first);
});

/** A root file system with nothing in it but programs, the CLI and the folders, under another host name. */
const CONTAINER = `set -eu
hostname elsewhere
mount -t tmpfs tmpfs /mnt
for path in /usr "$ROOT" "$FOLDER" /dev; do mkdir -p "/mnt$path"; mount --rbind "$path" "/mnt$path"; done
for link in bin lib lib64; do ln -s "usr/$link" "/mnt/$link"; done
mkdir /mnt/proc && mount -t proc proc /mnt/proc
exec chroot /mnt sh -c 'test "$(uname -n)" = elsewhere && test ! -e /etc && eval "$SCRIPT"'
`;

it("is the same in a container: another host, root file system and process tree", async (context) => {
  requireCapability(context, "root", isRoot);
  const { out, variables } = await place(process.execPath);
  const { stdout } = await run("unshare", ["--mount", "--uts", "--pid", "--ipc", "--fork", "sh", "-c", CONTAINER], {
    env: { PATH: process.env["PATH"], HOME: "/", TZ: "Asia/Kathmandu", ROOT, FOLDER: folder, SCRIPT, ...variables },
  });
  expect(await described(out, stdout)).toEqual(first);
});
