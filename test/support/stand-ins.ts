/**
 * Stand-ins for the official images that generated Dockerfiles are built from.
 *
 * Those cannot be had without their registry, so a Debian with the same programs at the same places stands in for them. It
 * has their config, and the builds get it by way of build contexts, so the engine never holds a false `python`.
 */
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { initwrapOk } from "./cli.ts";
import type { Engine } from "./engine.ts";
import { freshTag } from "./images.ts";
import { ROOT } from "./programs.ts";

const run = promisify(execFile);

/** A root file system that generate-base.sh makes; `base` has Node as well. */
export type Foundation = "base" | "ruby-php" | "python" | "rust" | "java";

interface StandIn {
  readonly foundation: Foundation;
  /** What the official image has in its config. */
  readonly config: readonly string[];
}

const NODE = ['ENTRYPOINT ["docker-entrypoint.sh"]', 'CMD ["node"]'];
const RUBY = ['CMD ["irb"]', "ENV GEM_HOME=/usr/local/bundle BUNDLE_SILENCE_ROOT_WARNING=1"];

const STAND_INS: Readonly<Record<string, StandIn>> = {
  "node:24-trixie-slim": { foundation: "base", config: NODE },
  "python:3.13-trixie": { foundation: "python", config: ['CMD ["python3"]', "ENV PIP_ROOT_USER_ACTION=ignore"] },
  "python:3.13-slim-trixie": { foundation: "base", config: ['CMD ["python3"]'] },
  "nginx:1.30-trixie": {
    foundation: "base",
    config: ['ENTRYPOINT ["/docker-entrypoint.sh"]', 'CMD ["nginx", "-g", "daemon off;"]', "STOPSIGNAL SIGQUIT"],
  },
  "golang:1.27-trixie": { foundation: "base", config: ['CMD ["bash"]', "ENV GOTOOLCHAIN=local GOPATH=/go"] },
  "ruby:3.4-trixie": { foundation: "ruby-php", config: RUBY },
  "ruby:3.4-slim-trixie": { foundation: "ruby-php", config: RUBY },
  "php:8.4-apache-trixie": {
    foundation: "ruby-php",
    config: [
      'ENTRYPOINT ["docker-php-entrypoint"]',
      'CMD ["apache2-foreground"]',
      "STOPSIGNAL SIGWINCH",
      "ENV PHP_INI_DIR=/usr/local/etc/php",
      // Folders that any user may write to; what is below /run is no part of a root file system that mmdebstrap makes.
      "RUN install -d -m 1777 /run/apache2 /run/lock/apache2 /var/log/apache2 && cd /var/log/apache2 && rm -f *.log && ln -s /dev/stderr error.log && ln -s /dev/stdout access.log && ln -s /dev/stdout other_vhosts_access.log",
    ],
  },
  "composer:2": {
    foundation: "ruby-php",
    config: ['CMD ["composer"]', "ENV COMPOSER_ALLOW_SUPERUSER=1 COMPOSER_HOME=/tmp COMPOSER_CACHE_DIR=/tmp/cache"],
  },
  "rust:1.98-trixie": { foundation: "rust", config: ['CMD ["bash"]', "ENV CARGO_HOME=/usr/local/cargo"] },
  "maven:3.9-eclipse-temurin-21-noble": {
    foundation: "java",
    config: [
      'ENTRYPOINT ["/usr/local/bin/mvn-entrypoint.sh"]',
      'CMD ["mvn"]',
      // Debian's own repository of what it has packages of, where the central one would be.
      "RUN mkdir -p /root/.m2 && printf '<settings><mirrors><mirror><id>debian</id><mirrorOf>*</mirrorOf><url>file:///usr/share/maven-repo</url></mirror></mirrors></settings>' >/root/.m2/settings.xml",
    ],
  },
  "gradle:9-jdk21": { foundation: "java", config: ['CMD ["gradle"]'] },
  "eclipse-temurin:21-jre-noble": {
    foundation: "java",
    config: [
      'ENTRYPOINT ["/__cacert_entrypoint.sh"]',
      'CMD ["/bin/bash"]',
      `RUN printf '#!/bin/sh\\nset -e\\nexec "$@"\\n' >/__cacert_entrypoint.sh && chmod 755 /__cacert_entrypoint.sh`,
    ],
  },
  "debian:trixie-slim": { foundation: "base", config: ['CMD ["bash"]'] },
};

const PATH = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

function foundationTag(foundation: Foundation): string {
  return `initwrap-test/generate-${foundation}:2`;
}

const provided = new Set<Foundation>();

/** The image that stands in for this one; where none is provided any will do for the builder's outlines. */
export function standInOf(name: string): string {
  const foundation = Object.hasOwn(STAND_INS, name) ? STAND_INS[name]?.foundation : undefined;
  return foundation !== undefined && provided.has(foundation) ? standInTag(name) : foundationTag("base");
}

function standInTag(name: string): string {
  return `initwrap-test/generate-${name.replace(/[:/]/g, "-")}:2`;
}

/** Makes every stand-in on these foundations that the engine does not have yet; the first time takes minutes. */
export async function provideStandIns(engine: Engine, foundations: readonly Foundation[]): Promise<void> {
  // At the same time, for each waits for its downloads.
  await Promise.all(
    foundations.map(async (foundation) => {
      await provideFoundation(engine, foundation);
      provided.add(foundation);
    }),
  );
  const wanted = Object.entries(STAND_INS).filter(([, { foundation }]) => foundations.includes(foundation));
  await Promise.all(
    wanted.map(([name, { foundation, config }]) =>
      buildImage(engine, standInTag(name), [`FROM ${foundationTag(foundation)}`, ...config]),
    ),
  );
}

/** Imports a root file system, and adds this Node and its npm to `base`. */
async function provideFoundation(engine: Engine, foundation: Foundation): Promise<void> {
  const tag = foundationTag(foundation);
  if ((await engine.docker(["image", "inspect", tag], { check: false })).status === 0) return;
  const script = join(ROOT, "test/support/engines/generate-base.sh");
  const tarball = (await run("bash", [script, foundation], { timeout: 600_000 })).stdout.trim();
  if (foundation !== "base") {
    await engine.docker(["import", "--change", PATH, tarball, tag], { timeoutMs: 300_000 });
    return;
  }
  await engine.docker(["import", "--change", PATH, tarball, `${tag}-os`], { timeoutMs: 300_000 });
  const npm = dirname(dirname(await realpath((await run("which", ["npm"])).stdout.trim())));
  const lines = [
    `FROM ${tag}-os`,
    "COPY node /usr/local/bin/node",
    "COPY npm /usr/local/lib/node_modules/npm",
    "RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm",
  ];
  await buildImage(engine, tag, lines, async (folder) => {
    await cp(process.execPath, join(folder, "node"));
    await cp(npm, join(folder, "npm"), { recursive: true });
  });
}

/** Builds an image from a few lines, with what `fill` puts beside them. */
export async function buildImage(
  engine: Engine,
  tag: string,
  lines: readonly string[],
  fill: (folder: string) => Promise<void> = async () => {},
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "initwrap-stand-in-"));
  try {
    await fill(folder);
    await writeFile(join(folder, "Dockerfile"), `${lines.join("\n")}\n`);
    await engine.docker(["build", "-q", "-t", tag, folder], { timeoutMs: 300_000 });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The flags that put stand-ins, or the images that `others` name, in the place of every image of a Dockerfile. */
export function standInFlags(dockerfile: string, others: Readonly<Record<string, string>> = {}): readonly string[] {
  const names = [...dockerfile.matchAll(/^FROM (?:--platform=\S+ )?(\S+:\S+)|--from=(\S+:\S+)/gm)].map(
    ([, from, copied]) => (from ?? copied) as string,
  );
  return [...new Set(names)].flatMap((name) => [
    "--build-context",
    `${name}=docker-image://${others[name] ?? standInOf(name)}`,
  ]);
}

/** How a generated project is built. */
export interface BuildOptions {
  /** `none` unless a server on this machine is needed. */
  readonly network?: "none" | "host";
  /** Images in the place of official ones, before any stand-in. */
  readonly images?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
}

/** Generates the Dockerfile of a folder, has the builder check it, and builds it just as it is; the image's tag. */
export async function generateAndBuild(engine: Engine, folder: string, options: BuildOptions = {}): Promise<string> {
  await initwrapOk(["generate", folder, "--force"], { env: engine.env });
  const image = freshTag("generate");
  const flags = [
    `--network=${options.network ?? "none"}`,
    ...standInFlags(await readFile(join(folder, "Dockerfile"), "utf8"), options.images),
    ...(options.flags ?? []),
  ];
  // Warnings make the check fail.
  await engine.docker(["build", "--check", ...flags, folder], { timeoutMs: 300_000 });
  await engine.docker(["build", ...flags, "-t", image, folder], { timeoutMs: 300_000 });
  return image;
}

/** The user that a container's first process runs as, and that process. */
export async function firstProcess(
  engine: Engine,
  id: string,
): Promise<{ readonly uid: string; readonly program: string }> {
  const { stdout } = await engine.docker(["exec", id, "cat", "/proc/1/status"]);
  const program = (await engine.docker(["exec", id, "cat", "/proc/1/cmdline"])).stdout.split("\0")[0] ?? "";
  return { uid: /^Uid:\s+(\d+)/m.exec(stdout)?.[1] ?? "", program };
}

/** The answer to a request inside the container, head and body, with nothing but its shell. */
export async function askInside(engine: Engine, id: string, port: number, path = "/"): Promise<string> {
  const script = `exec 3<>/dev/tcp/127.0.0.1/${port} && printf 'GET ${path} HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n' >&3 && cat <&3`;
  for (let attempt = 0; ; attempt++) {
    const result = await engine.docker(["exec", id, "bash", "-c", script], { check: false });
    if (result.status === 0 || attempt > 100) return result.stdout + result.stderr;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
