/** The builders that the engines bring: what a Dockerfile has to be the same for. */
import { request } from "node:http";
import { availableParallelism } from "node:os";
import type { InjectKind } from "../../packages/cli/src/wrap/dockerfile.ts";
import type { Engine, EngineName } from "./engine.ts";

export interface Builder {
  readonly title: string;
  readonly engine: EngineName;
  readonly buildkit: boolean;
  /** How an init can get into its builds: heredocs came with Dockerfile syntax 1.4. */
  readonly inject: InjectKind;
}

export const BUILDERS: readonly Builder[] = [
  { title: "the classic builder of Docker 20.10", engine: "classic", buildkit: false, inject: "context" },
  { title: "BuildKit of Docker 20.10", engine: "classic", buildkit: true, inject: "context" },
  { title: "the classic builder of Docker 26.1", engine: "modern-graph", buildkit: false, inject: "context" },
  { title: "BuildKit of Docker 26.1", engine: "modern-graph", buildkit: true, inject: "inline" },
];

/** An image's config as `docker image inspect` prints it: everything that is not the image's identity, layers or age. */
export type ImageFacts = Readonly<Record<string, unknown>> & {
  readonly Config: Readonly<Record<string, unknown>> & {
    readonly Entrypoint?: readonly string[] | null;
    readonly Cmd?: readonly string[] | null;
    readonly StopSignal?: string;
  };
};

/** Builds one file; what the builder said when it did not. Nothing but the file differs from build to build. */
export async function buildFile(
  engine: Engine,
  builder: Pick<Builder, "buildkit">,
  { file, tag, context }: { readonly file: string; readonly tag: string; readonly context: string },
): Promise<string | undefined> {
  const env = { DOCKER_BUILDKIT: builder.buildkit ? "1" : "0" };
  // The classic builder's cache takes no notice of where a CMD was set, and gives one file the CMD of another.
  const cache = builder.buildkit ? [] : ["--no-cache"];
  const args = ["build", "-q", "--network=none", ...cache, "-t", tag, "-f", file, context];
  const { status, stdout, stderr } = await engine.docker(args, { env, check: false, timeoutMs: 300_000 });
  return status === 0 ? undefined : `${stdout}${stderr}`;
}

const IDENTITY = new Set(
  "Id RepoTags RepoDigests Parent Created Container ContainerConfig RootFS Size VirtualSize GraphDriver Metadata Descriptor Manifests Identity".split(
    " ",
  ),
);

/** What is known of images, by tag; one call for all of them. */
export async function inspectImages(engine: Engine, tags: readonly string[]): Promise<ReadonlyMap<string, ImageFacts>> {
  if (tags.length === 0) return new Map();
  const documents = JSON.parse((await engine.docker(["image", "inspect", ...tags])).stdout) as ImageFacts[];
  return new Map(
    documents.map((document, index) => {
      const facts = Object.fromEntries(Object.entries(document).filter(([key]) => !IDENTITY.has(key)));
      // Only the classic builder names the image that the last step began with. ArgsEscaped is Windows's, says nothing
      // elsewhere, and is dropped by the classic builder wherever a CMD is written.
      const {
        Image: _image,
        Hostname: _hostname,
        ArgsEscaped: _escaped,
        ...config
      } = document.Config as Record<string, unknown>;
      // Nothing else counts where there is no health check; the classic builder keeps a base's interval there, or does not.
      const { Healthcheck: health } = config as { Healthcheck?: { Test?: readonly string[] } };
      if (health?.Test?.[0] === "NONE") config["Healthcheck"] = { Test: health.Test };
      return [tags[index] as string, { ...facts, Config: config } as ImageFacts];
    }),
  );
}

/** How a container fared: what it printed, and how it ended, by itself or when it was asked to stop. */
export interface Fared {
  /** False when the engine itself could not start the command. */
  readonly started: boolean;
  readonly output: string;
  /** Undefined when it was still running and nobody stopped it. */
  readonly exitCode: number | undefined;
}

/** Runs an image until it says "ready" or ends; `stop` then asks it to stop, with ten seconds until it is killed. */
export async function fare(engine: Engine, image: string, { stop }: { readonly stop: boolean }): Promise<Fared> {
  const created = await api(engine, "POST", "/containers/create", {
    Image: image,
    HostConfig: { NetworkMode: "none" },
  });
  if (created.status !== 201) return { started: false, output: "", exitCode: undefined };
  const { Id: id } = JSON.parse(created.body.toString()) as { Id: string };
  try {
    const { status } = await api(engine, "POST", `/containers/${id}/start`);
    if (status !== 204) return { started: false, output: "", exitCode: undefined };
    for (let attempt = 0; ; attempt++) {
      // The state comes first: what has ended says nothing more, and what it said is all there.
      const state = await stateOf(engine, id);
      const output = frames((await api(engine, "GET", `/containers/${id}/logs?stdout=1&stderr=1`)).body);
      if (!state.Running) return { started: true, output, exitCode: state.ExitCode };
      if (output.includes(" ready\n")) {
        if (!stop) return { started: true, output, exitCode: undefined };
        await api(engine, "POST", `/containers/${id}/stop?t=10`);
        return { started: true, output, exitCode: (await stateOf(engine, id)).ExitCode };
      }
      if (attempt > 400) throw new Error(`${image} neither became ready nor ended: ${output}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } finally {
    await api(engine, "DELETE", `/containers/${id}?force=1&v=1`);
  }
}

async function stateOf(engine: Engine, id: string): Promise<{ Running: boolean; ExitCode: number }> {
  return JSON.parse((await api(engine, "GET", `/containers/${id}/json`)).body.toString()).State;
}

/** One request to the engine: hundreds of containers would otherwise be thousands of processes. */
function api(engine: Engine, method: string, path: string, body?: object): Promise<{ status: number; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        socketPath: engine.host.replace("unix://", ""),
        method,
        path,
        headers: { Host: "engine", "Content-Type": "application/json" },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
      },
    );
    sent.on("error", reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** The text of a log, whose pieces each have eight bytes in front that say stream and length. */
function frames(log: Buffer): string {
  let text = "";
  for (let at = 0; at + 8 <= log.length; ) {
    const end = at + 8 + log.readUInt32BE(at + 4);
    text += log.subarray(at + 8, end).toString();
    at = end;
  }
  return text;
}

/** `work` for every item, as many at once as there are processors and one more, which waits for the engine. */
export async function forEachAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: availableParallelism() + 1 }, worker));
}
