/** What official images run, by exact tag: the last resort, and always marked as assumed. */
import type { BaseConfig } from "../dockerfile/evaluate.ts";
import { parseReference } from "../model/reference.ts";

let table: Map<string, BaseConfig> | undefined;

/** The config of an official image's tag, or undefined. Names with a digest are not looked up: a tag's digest changes. */
export async function lookUpBase(reference: string): Promise<BaseConfig | undefined> {
  const parsed = parseReference(reference);
  if (parsed === undefined || parsed.digest !== undefined || parsed.registry !== "docker.io") return undefined;
  const [, image] = /^library\/([^/]+)$/.exec(parsed.repository) ?? [];
  if (image === undefined) return undefined;
  table ??= await loadTable();
  return table.get(`${image}:${parsed.tag ?? "latest"}`);
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
