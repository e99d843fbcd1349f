/**
 * The use-case behind `initwrap ci`: a pipeline's file, rendered from `templates/ci`.
 *
 * All of them have one shell script in common, `wrap-image.hbs`. It takes its settings from variables, so that no value is
 * ever part of the script, and each file has around it only what its system needs to hand the result on.
 */
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { InitwrapError } from "../model/errors.ts";
import { formatPlatform, parsePlatform } from "../model/platform.ts";
import { makeFolder } from "../store/make-folder.ts";
import { writeFailure } from "../store/verify.ts";
import { PROVIDERS, type Provider, type ProviderName } from "./ci-providers.ts";
import { writeWhole } from "./image-files.ts";
import { shippedTemplate } from "./templates.ts";

const PARTIALS = ["wrap-image", "wrap-dockerfile", "github-outputs", "pre-commit-hook"];

export interface CiRequest {
  /** One of the providers' names. */
  readonly provider: string;
  /** The release of initwrap that the pipeline runs. */
  readonly version: string;
  /** The image, in the pipeline's own terms: variables of the provider are kept. */
  readonly image?: string | undefined;
  readonly tags: readonly string[];
  /** `linux/amd64` and the like; empty means all. */
  readonly platforms: readonly string[];
}

export interface CiFile {
  readonly text: string;
  /** Where the file goes in a repository. */
  readonly place: string;
  /** The name in it that is an example and has to be replaced. */
  readonly example?: string;
}

/** Renders the file. Throws USAGE for an unknown provider, for values that it has no use for, and for what no name can hold. */
export function renderCi(request: CiRequest): CiFile {
  const { provider } = request;
  if (!Object.hasOwn(PROVIDERS, provider)) {
    throw new InitwrapError("USAGE", `there is no template for ${provider}`, {
      hint: `There is one for ${Object.keys(PROVIDERS).join(", ")}.`,
    });
  }
  const { place, image: usual, isExample }: Provider = PROVIDERS[provider as ProviderName];
  const given = request.image !== undefined || request.tags.length > 0 || request.platforms.length > 0;
  if (usual === undefined && given) {
    throw new InitwrapError("USAGE", `${provider} looks at Dockerfiles, and takes no image, tag or platform`);
  }
  const image = nameOf("--image", request.image ?? usual ?? "");
  const tags = request.tags.map((tag) => nameOf("--tag", tag)).join(",");
  const platforms = request.platforms.map(platformOf).join(",");
  // Strings of JSON are strings of YAML, and of Groovy, which fills in its variables as it should.
  const text = shippedTemplate<Readonly<Record<string, string>>>(
    "ci",
    provider,
    PARTIALS,
  )({
    image: JSON.stringify(image),
    hasImage: image,
    hasExpression: `${image}${tags}`.includes("${{") ? "yes" : "",
    registry: JSON.stringify(registryOf(image)),
    isGithub: registryOf(image) === "ghcr.io" ? "yes" : "",
    tags: JSON.stringify(tags),
    platforms: JSON.stringify(platforms),
    buildPlatforms: JSON.stringify(platforms || "linux/amd64,linux/arm64"),
    version: JSON.stringify(request.version),
    release: request.version,
  });
  return { text, place, ...(isExample && request.image === undefined ? { example: image } : {}) };
}

/**
 * Writes the file, with the folders that lead to it. One that is there already is kept, unless `force` is given or it is the
 * same. Throws OUTPUT_EXISTS and OUTPUT_NOT_WRITTEN.
 */
export async function writeCi(path: string, text: string, force: boolean): Promise<void> {
  const found = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined;
    throw writeFailure(cause, path);
  });
  if (found === text) return;
  if (found !== undefined && !force) {
    throw new InitwrapError("OUTPUT_EXISTS", `${path} is there already`, {
      where: path,
      hint: "Say --force to replace it, or leave -o out and take over by hand what you need.",
    });
  }
  try {
    await makeFolder(dirname(path));
  } catch (cause) {
    throw writeFailure(cause, path);
  }
  await writeWhole(path, text);
}

/** A name may hold any variable of the provider's, but no second line, and nothing that ends a string of the script's. */
function nameOf(flag: string, text: string): string {
  if (!/[\u0000-\u001f\u007f"'`\\]/.test(text)) return text;
  throw new InitwrapError("USAGE", `${flag}: ${JSON.stringify(text)} is no image's name`, {
    hint: "A name has no quotes, backslashes or line ends.",
  });
}

function platformOf(text: string): string {
  const platform = parsePlatform(text);
  if (platform) return formatPlatform(platform);
  throw new InitwrapError("USAGE", `--platform: ${text} is no platform`, { hint: "Write it as linux/amd64." });
}

/** Whom to log in to: what stands before the first slash, when that is a host. */
function registryOf(image: string): string {
  const [host = "", rest] = image.split(/\/(.*)/s);
  return rest !== undefined && /[.:]|^localhost$/.test(host) ? host : "docker.io";
}
