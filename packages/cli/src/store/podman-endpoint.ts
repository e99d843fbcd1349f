/**
 * Where podman's API service listens, found as podman's remote client finds it: CONTAINER_HOST, also behind ssh, else the
 * user's socket, else the system's.
 *
 * Source: podman-system-service(1), podman(1), "CONTAINER_HOST" and "CONTAINER_SSHKEY".
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Endpoint, parseEndpoint } from "./docker-engine.ts";

type Env = Readonly<Record<string, string | undefined>>;

const SYSTEM_SOCKET = "/run/podman/podman.sock";

/** The endpoint, whether something is there or not. Throws LOCATOR_INVALID for a CONTAINER_HOST that is none. */
export function podmanEndpoint(env: Env): Endpoint {
  const host = env["CONTAINER_HOST"];
  if (host) {
    const endpoint = parseEndpoint(host, undefined, "podman");
    const identity = env["CONTAINER_SSHKEY"];
    return endpoint.kind === "ssh" && identity ? { ...endpoint, identity } : endpoint;
  }
  const [own = SYSTEM_SOCKET] = sockets(env);
  return { kind: "unix", path: sockets(env).find(existsSync) ?? own };
}

/** The endpoint, or undefined where nobody says that there is a podman: no CONTAINER_HOST, and no socket. */
export function podmanEndpointIfAny(env: Env): Endpoint | undefined {
  return env["CONTAINER_HOST"] || sockets(env).some(existsSync) ? podmanEndpoint(env) : undefined;
}

/** Where a service listens unless it is told otherwise, the user's own first. */
function sockets(env: Env): readonly string[] {
  const runtime = env["XDG_RUNTIME_DIR"];
  return [...(runtime ? [join(runtime, "podman/podman.sock")] : []), SYSTEM_SOCKET];
}
