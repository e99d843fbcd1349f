/**
 * From a reference to the places that are really asked: Docker Hub's host, mirrors, locations, and who may go without TLS.
 */
import { InitwrapError } from "../../model/errors.ts";
import { formatReference, parseReference, type Reference } from "../../model/reference.ts";
import type { Environment } from "./proxy.ts";
import { type RegistryRule, readRegistryRules, rewriteName, ruleFor } from "./registries-conf.ts";

/** One place that has, or takes, an image. */
export interface Endpoint {
  /** `host[:port]` as it is connected to. */
  readonly host: string;
  /** The registry's name as credentials are kept under it: `docker.io` for Docker Hub. */
  readonly registry: string;
  readonly repository: string;
}

/** What the user's files say about hosts, read once. */
export interface HostSettings {
  /** Where to pull from, in the order to try. Throws UNSUPPORTED_IMAGE when registries.conf blocks the name. */
  pull(reference: Reference): Promise<readonly Endpoint[]>;
  /** Where to push to: what is named, never a mirror or another location. Source: containers-registries.conf(5), "Remapping". */
  push(reference: Reference): Promise<Endpoint>;
  /** True when the host may be reached over plain HTTP or with any certificate. Known after the first pull or push. */
  insecure(host: string): boolean;
}

const HUB_ENDPOINT = "registry-1.docker.io";

/** Settings from registries.conf, and `insecure`: hosts (`name[:port]`) that the user named with --insecure-registry. */
export function hostSettings(env: Environment, insecure: readonly string[] = []): HostSettings {
  const plain = new Set(insecure.map((host) => host.toLowerCase()));
  let rules: Promise<readonly RegistryRule[]> | undefined;
  const ruleOf = async (reference: Reference): Promise<RegistryRule | undefined> => {
    rules ??= readRegistryRules(env);
    const rule = ruleFor(`${reference.registry}/${reference.repository}`, await rules);
    if (rule?.blocked) {
      throw new InitwrapError("UNSUPPORTED_IMAGE", `${formatReference(reference)} is blocked by registries.conf`, {
        where: rule.prefix,
        hint: "The machine's configuration forbids this registry.",
      });
    }
    return rule;
  };
  const located = (name: string, isInsecure: boolean): Endpoint => {
    if (!parseReference(name)) {
      throw new InitwrapError("INPUT_UNREADABLE", `registries.conf makes ${name} of it, which is no image name`, {
        where: name,
        hint: "Correct prefix and location there: HOST[:PORT][/PATH].",
      });
    }
    const slash = name.indexOf("/");
    const registry = name.slice(0, slash).toLowerCase();
    const host = registry === "docker.io" ? HUB_ENDPOINT : registry;
    if (isInsecure) plain.add(host);
    return { host, registry, repository: name.slice(slash + 1) };
  };
  return {
    async pull(reference) {
      const rule = await ruleOf(reference);
      const name = `${reference.registry}/${reference.repository}`;
      const mirrors = (rule?.mirrors ?? [])
        .filter(({ pull }) => pull === "all" || (pull === "digest-only") === (reference.digest !== undefined))
        .map(({ location, insecure: open }) => located(rewriteName(name, rule!, location), open));
      return [...mirrors, primary(name, rule, located)];
    },
    async push(reference) {
      const rule = await ruleOf(reference);
      return located(`${reference.registry}/${reference.repository}`, rule?.insecure ?? false);
    },
    insecure: (host) => plain.has(host.toLowerCase()),
  };
}

function primary(
  name: string,
  rule: RegistryRule | undefined,
  located: (name: string, insecure: boolean) => Endpoint,
): Endpoint {
  if (rule?.location === undefined) return located(name, rule?.insecure ?? false);
  return located(rewriteName(name, rule, rule.location), rule.insecure);
}
