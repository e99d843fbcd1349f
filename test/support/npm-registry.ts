/**
 * A small npm registry on this machine, with real packages: the ones that npm's own client fetched.
 *
 * A build gets them from here as it would from the public registry, so nothing of what it does depends on which network a
 * build container may reach.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Where tarballs are kept between runs. */
const CACHE = join(process.env["INITWRAP_ENGINES"] ?? "/var/tmp/initwrap-engines", "npm");

export interface NpmRegistry {
  /** `http://127.0.0.1:PORT/`. */
  readonly url: string;
  /** `NAME@VERSION` of what has been published to it, in order. */
  readonly published: readonly string[];
  close(): Promise<void>;
}

interface Release {
  readonly manifest: { readonly name: string; readonly version: string };
  readonly tarball: Buffer;
}

/** The tarball of `NAME@VERSION`, from npm the first time; its path. A tarball of our own is named by its path. */
export async function fetchPackage(spec: string): Promise<string> {
  if (spec.endsWith(".tgz")) return spec;
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

/**
 * Serves these packages, `NAME@VERSION` or a tarball each, and what is published to it, and no others; with a token only to
 * those who show it. To publish always takes a token.
 */
export async function startNpmRegistry(specs: readonly string[], token?: string): Promise<NpmRegistry> {
  const releases: Release[] = [];
  for (const spec of specs) {
    const path = await fetchPackage(spec);
    // The folder in front is mostly called `package`, and not always.
    const top = ["--wildcards", "--no-wildcards-match-slash", "*/package.json"];
    const { stdout } = await run("tar", ["-xzOf", path, ...top], { maxBuffer: 16 * 1024 * 1024 });
    releases.push({ manifest: JSON.parse(stdout) as Release["manifest"], tarball: await readFile(path) });
  }
  const published: string[] = [];
  const server = createServer((request, response) => {
    if (request.method === "PUT") {
      void publish(request, token).then(
        (release) => {
          const { name, version } = release.manifest;
          const taken = releases.some(({ manifest }) => manifest.name === name && manifest.version === version);
          if (taken)
            return answer(response, 403, `You cannot publish over the previously published version ${version}.`);
          releases.push(release);
          published.push(`${name}@${version}`);
          response.writeHead(201, { "content-type": "application/json" }).end('{"ok":true}');
        },
        (error: unknown) => answer(response, error === UNAUTHORIZED ? 401 : 400, String(error)),
      );
      return;
    }
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://registry").pathname).slice(1);
    const file = releases.find(({ manifest }) => path === filePath(manifest));
    const named = releases.filter(({ manifest }) => path === manifest.name);
    const known = token === undefined || request.headers.authorization === `Bearer ${token}`;
    if (!known) answer(response, 401, "Unauthorized");
    else if (file !== undefined) response.end(file.tarball);
    else if (named.length > 0) response.end(JSON.stringify(packument(named, `http://${request.headers.host}/`)));
    else answer(response, 404, "Not found");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    published,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(response: ServerResponse, status: number, error: string): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ error }));
}

const UNAUTHORIZED = "Unauthorized";

/** What `npm publish` sends: one version, its tarball in base64, and the checksums that the client has of it. */
async function publish(request: IncomingMessage, token: string | undefined): Promise<Release> {
  const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
  if (given === undefined || (token !== undefined && given !== token)) throw UNAUTHORIZED;
  const { versions, _attachments } = (await json(request)) as {
    readonly versions: Readonly<
      Record<string, Release["manifest"] & { readonly dist: { readonly integrity: string } }>
    >;
    readonly _attachments: Readonly<Record<string, { readonly data: string }>>;
  };
  const [manifest] = Object.values(versions);
  const [attachment] = Object.values(_attachments);
  if (!manifest || !attachment) throw new Error("there is no version, or no file of it");
  const tarball = Buffer.from(attachment.data, "base64");
  if (manifest.dist.integrity !== integrityOf(tarball)) throw new Error("the file is not what its checksum says");
  return { manifest, tarball };
}

function integrityOf(tarball: Buffer): string {
  return `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
}

function filePath({ name, version }: Release["manifest"]): string {
  return `${name}/-/${name.slice(name.lastIndexOf("/") + 1)}-${version}.tgz`;
}

/** What a registry says of a package: https://github.com/npm/registry/blob/main/docs/responses/package-metadata.md */
function packument(releases: readonly Release[], origin: string): unknown {
  const { name, version } = (releases.at(-1) as Release).manifest;
  const versions = releases.map(({ manifest, tarball }) => {
    const integrity = integrityOf(tarball);
    const shasum = createHash("sha1").update(tarball).digest("hex");
    return [manifest.version, { ...manifest, dist: { tarball: origin + filePath(manifest), integrity, shasum } }];
  });
  const time = Object.fromEntries(releases.map(({ manifest }) => [manifest.version, "2020-01-01T00:00:00.000Z"]));
  return { name, "dist-tags": { latest: version }, versions: Object.fromEntries(versions), time };
}
