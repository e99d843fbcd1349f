/** What official images run, by exact tag: the last resort, and always marked as assumed. */
import type { BaseConfig } from "../dockerfile/evaluate.ts";
import { parseReference } from "../model/reference.ts";

let table: Map<string, BaseConfig> | undefined;

/** The config of an official image's tag, or undefined. Names with a digest are not looked up: a tag's digest changes. */
export async function lookUpBase(reference: string): Promise<BaseConfig | undefined> {
  const official = officialOf(reference);
  if (official === undefined || official.pinned) return undefined;
  table ??= await loadTable();
  return table.get(`${official.image}:${official.tag}`);
}

/**
 * What an unknown tag of a known official image likely runs: what every tag of the same variant does (`-alpine` and the
 * like, versions aside), or else every tag of the image. Undefined when those tags differ among themselves.
 */
export async function guessBase(
  reference: string,
): Promise<{ readonly config: BaseConfig; readonly like: string } | undefined> {
  const official = officialOf(reference);
  if (official === undefined) return undefined;
  table ??= await loadTable();
  const { image } = official;
  const family = [...table].filter(([name]) => name.startsWith(`${image}:`));
  const variant = variantOf(official.tag);
  const same = family.filter(([name]) => variantOf(name.slice(image.length + 1)) === variant);
  const [first, ...rest] = same.length > 0 ? same : family;
  if (first === undefined || rest.some(([, config]) => config !== first[1])) return undefined;
  return { config: first[1], like: first[0] };
}

function officialOf(
  reference: string,
): { readonly image: string; readonly tag: string; readonly pinned: boolean } | undefined {
  const parsed = parseReference(reference);
  if (parsed === undefined || parsed.registry !== "docker.io") return undefined;
  const [, image] = /^library\/([^/]+)$/.exec(parsed.repository) ?? [];
  return image === undefined ? undefined : { image, tag: parsed.tag ?? "latest", pinned: parsed.digest !== undefined };
}

/** What a tag says beside versions: `22.1-alpine3.20` is of the variant `alpine`, `22` of none. */
function variantOf(tag: string): string {
  return tag
    .split("-")
    .map((part) => part.replace(/v?\d[\d.]*.*$/, ""))
    .filter((part) => part !== "" && part !== "latest")
    .join("-");
}

async function loadTable(): Promise<Map<string, BaseConfig>> {
  const { BASE_TABLE } = await import("./base-table.data.ts");
  const configs = new Map<string, BaseConfig>();
  for (const line of BASE_TABLE.split("\n")) {
    const [image, json, tags] = line.split("\t") as [string, string, string];
    const config = { os: "linux", ...(JSON.parse(json) as BaseConfig) };
    for (const tag of tags.split(" ")) configs.set(`${image}:${tag}`, config);
  }
  return configs;
}
