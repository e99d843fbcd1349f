/**
 * podman's API service: Docker's calls where they do, its own (libpod) where names or answers differ.
 *
 * A name without a registry is `localhost/NAME` for what was built or tagged here; Docker's calls would make it docker.io's.
 *
 * Source: podman's API reference, v4; the service answers any libpod version from 4.0 on.
 */
import { parseReference, type Reference } from "../model/reference.ts";
import {
  DockerEngine,
  type Endpoint,
  type EngineFacts,
  type EngineOptions,
  type ImageInspect,
} from "./docker-engine.ts";

const LIBPOD = "/v4.0.0/libpod";

/** What `GET /libpod/images/{name}/json` says, as far as it is used. `Id` is a digest, as Docker has it. */
export interface PodmanImage {
  readonly Id: string;
  readonly RepoTags?: readonly string[] | null;
  readonly ManifestType?: string;
  readonly Annotations?: Readonly<Record<string, string>> | null;
  readonly Os: string;
  readonly Architecture: string;
}

export class PodmanEngine extends DockerEngine {
  override readonly title: string = "podman";
  override readonly variable: string = "CONTAINER_HOST";
  override readonly start: string =
    "Start its service with `systemctl start podman.socket`, read the storage itself with containers-storage:NAME";
  override readonly loadPath: string = `${LIBPOD}/images/load`;
  /** Fields that podman reads itself, so that no `ps` has to be in the image. */
  override readonly topArguments: string = "pid,args";
  readonly #release: (() => Promise<void>) | undefined;
  readonly #place: string | undefined;
  #isClosed = false;

  /** `place` is what people call it, where that is not its endpoint. */
  constructor(endpoint: Endpoint, options: Partial<EngineOptions> = {}, release?: () => Promise<void>, place?: string) {
    super(endpoint, options);
    this.#release = release;
    this.#place = place;
  }

  override get address(): string {
    return this.#place ?? super.address;
  }

  override async inspect(reference: string): Promise<PodmanImage | undefined> {
    const image = await this.json<PodmanImage>(imagePath(reference, "json"));
    return image && { ...image, Id: image.Id.startsWith("sha256:") ? image.Id : `sha256:${image.Id}` };
  }

  /** What Docker's call says of an image: its config has fields that OCI's leaves out. */
  async dockerInspect(reference: string): Promise<ImageInspect | undefined> {
    return super.inspect(reference);
  }

  protected override async askFacts(): Promise<EngineFacts> {
    return { keepsManifests: false, platform: await this.#platform(), contentFolders: [] };
  }

  /** podman asks other programs for their versions before it answers /info, for a second: only a distant one is asked. */
  async #platform(): Promise<string> {
    if (this.endpoint.kind === "unix") return ownPlatform();
    const { host } = (await this.json<{ host?: { os?: string; arch?: string } }>(`${LIBPOD}/info`)) ?? {};
    return `${host?.os ?? "linux"}/${host?.arch ?? ""}`;
  }

  override otherSocket(): string {
    return "";
  }

  /** The variable is Docker's, and podman's own calls have versions of their own. */
  protected override versionPath(): string {
    return "";
  }

  override referenceOf(name: string): Reference | undefined {
    return podmanReference(name);
  }

  override async tag(name: string, { registry, repository, tag }: Reference, signal?: AbortSignal): Promise<void> {
    const query = { repo: `${registry}/${repository}`, tag: tag ?? "latest" };
    await this.expect(201, imagePath(name, "tag"), { method: "POST", query, ...(signal ? { signal } : {}) });
  }

  override async untag(name: string): Promise<void> {
    // libpod's own call would remove parents without a name, too.
    await this.cleanUp(`/v1.40/images/${encodeURIComponent(name)}`, { noprune: "1" });
  }

  /** Pushes an image to a registry on the loopback address, over plain HTTP. Throws DAEMON_FAILED. */
  async push(name: string, destination: string): Promise<void> {
    const query = { destination, tlsVerify: "false" };
    const said = await this.expect(200, imagePath(name, "push"), { method: "POST", query, timeout: 0 });
    const failed = /"(?:error|cause)":/.test(new TextDecoder().decode(said));
    if (failed) throw this.failure("push", 200, said);
  }

  /** Where an image is saved from: `GET`, with its format in the query. */
  savePath(name: string): string {
    return imagePath(name, "get");
  }

  override async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await super.close();
    await this.#release?.();
  }
}

/** What a name means to podman when it gives it to an image: one without a registry is in `localhost/`. */
export function podmanReference(name: string): Reference | undefined {
  const reference = parseReference(name);
  const isShort = reference?.registry === "docker.io" && !/^(index\.)?docker\.io\//.test(name);
  if (!reference || !isShort) return reference;
  return { ...reference, registry: "localhost", repository: /^[^:@]*/.exec(name)![0] };
}

/** The platform of images that run on this machine, or in a virtual one on it. */
export function ownPlatform(): string {
  return `linux/${process.arch === "x64" ? "amd64" : process.arch}`;
}

function imagePath(name: string, call: string): string {
  return `${LIBPOD}/images/${encodeURIComponent(name)}/${call}`;
}
