/**
 * A small npm registry on this machine, with real packages: the ones that npm's own client fetched.
 *
 * A build gets them from here as it would from the public registry, so nothing of what it does depends on which network a
 * build container may reach.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Where tarballs are kept between runs. */
const CACHE = join(process.env["INITWRAP_ENGINES"] ?? "/var/tmp/initwrap-engines", "npm");

export interface NpmRegistry {
  /** `http://127.0.0.1:PORT/`. */
  readonly url: string;
  close(): Promise<void>;
}

interface Release {
  readonly manifest: { readonly name: string; readonly version: string };
  readonly tarball: Buffer;
}

/** The tarball of `NAME@VERSION`, from npm the first time; its path. */
export async function fetchPackage(spec: string): Promise<string> {
  const path = join(CACHE, `${spec.replaceAll("/", "+")}.tgz`);
  if (await readFile(path).then(Boolean, () => false)) return path;
  const folder = join(CACHE, `new-${process.pid}-${Date.now()}`);
  await mkdir(folder, { recursive: true });
  // In a folder of its own, where no project's settings count.
  const { stdout } = await run("npm", ["pack", spec, "--json"], { cwd: folder, timeout: 300_000 });
  const [{ filename }] = Object.values(JSON.parse(stdout)) as [{ filename: string }];
  await rename(join(folder, filename), path);
  await rm(folder, { recursive: true, force: true });
  return path;
}

/** `NAME@VERSION` of what `npm ci` would fetch on this machine by a package-lock.json. */
export function lockedPackages(lock: string): readonly string[] {
  const { packages } = JSON.parse(lock) as { readonly packages: Readonly<Record<string, LockedPackage>> };
  const fits = (wanted: readonly string[] | undefined, own: string): boolean => wanted?.includes(own) ?? true;
  return Object.entries(packages)
    .filter(([path, { os, cpu, libc }]) => {
      return path !== "" && fits(os, process.platform) && fits(cpu, process.arch) && fits(libc, "glibc");
    })
    .map(
      ([path, { version }]) => `${path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length)}@${version}`,
    );
}

interface LockedPackage {
  readonly version: string;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
}

/** Serves these packages, `NAME@VERSION` each, and no others; with a token only to those who show it. */
export async function startNpmRegistry(specs: readonly string[], token?: string): Promise<NpmRegistry> {
  const releases: Release[] = [];
  for (const spec of specs) {
    const path = await fetchPackage(spec);
    // The folder in front is mostly called `package`, and not always.
    const top = ["--wildcards", "--no-wildcards-match-slash", "*/package.json"];
    const { stdout } = await run("tar", ["-xzOf", path, ...top], { maxBuffer: 16 * 1024 * 1024 });
    releases.push({ manifest: JSON.parse(stdout) as Release["manifest"], tarball: await readFile(path) });
  }
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://registry").pathname).slice(1);
    const file = releases.find(({ manifest }) => path === filePath(manifest));
    const named = releases.filter(({ manifest }) => path === manifest.name);
    const known = token === undefined || request.headers.authorization === `Bearer ${token}`;
    if (!known) response.writeHead(401, { "content-type": "application/json" }).end('{"error":"Unauthorized"}');
    else if (file !== undefined) response.end(file.tarball);
    else if (named.length > 0) response.end(JSON.stringify(packument(named, `http://${request.headers.host}/`)));
    else response.writeHead(404, { "content-type": "application/json" }).end('{"error":"Not found"}');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function filePath({ name, version }: Release["manifest"]): string {
  return `${name}/-/${name.slice(name.lastIndexOf("/") + 1)}-${version}.tgz`;
}

/** What a registry says of a package: https://github.com/npm/registry/blob/main/docs/responses/package-metadata.md */
function packument(releases: readonly Release[], origin: string): unknown {
  const { name, version } = (releases.at(-1) as Release).manifest;
  const versions = releases.map(({ manifest, tarball }) => {
    const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
    const shasum = createHash("sha1").update(tarball).digest("hex");
    return [manifest.version, { ...manifest, dist: { tarball: origin + filePath(manifest), integrity, shasum } }];
  });
  const time = Object.fromEntries(releases.map(({ manifest }) => [manifest.version, "2020-01-01T00:00:00.000Z"]));
  return { name, "dist-tags": { latest: version }, versions: Object.fromEntries(versions), time };
}
