/** Which registries may be reached without TLS or with any certificate, as the user said. */
import type { Environment } from "./proxy.ts";

/** The variable that lists such hosts, separated by commas; --insecure-registry adds to it. */
const VARIABLE = "INITWRAP_INSECURE_REGISTRIES";

/** The hosts (`name[:port]`) that the environment names. */
export function insecureRegistries(env: Environment): readonly string[] {
  return (env[VARIABLE] ?? "")
    .split(",")
    .map((host) => host.trim())
    .filter(Boolean);
}

/** The environment with more hosts in that list: the values of --insecure-registry. */
export function allowInsecure<T extends Environment>(env: T, hosts: readonly string[]): T | Environment {
  if (hosts.length === 0) return env;
  return { ...env, [VARIABLE]: [...insecureRegistries(env), ...hosts].join(",") };
}
