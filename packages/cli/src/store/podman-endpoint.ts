/**
 * Where podman's API service listens, found as podman's remote client finds it: CONTAINER_HOST, also behind ssh, else the
 * connection of CONTAINER_CONNECTION, else the user's socket, else the system's. The default connection is not looked at: podman on
 * Linux is its own client unless it is told otherwise.
 *
 * Source: podman-system-service(1), podman(1), "CONTAINER_HOST" and "CONTAINER_SSHKEY"; podman-system-connection(1), of podman 5 and
 * later, which keeps connections in a JSON file.
 */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { InitwrapError, withPlace } from "../model/errors.ts";
import { type Endpoint, parseEndpoint } from "./docker-engine.ts";

type Env = Readonly<Record<string, string | undefined>>;

const SYSTEM_SOCKET = "/run/podman/podman.sock";

/**
 * The endpoint, whether something is there or not. `place` goes before the environment: a host as CONTAINER_HOST has it, or the name
 * of a connection. Throws LOCATOR_INVALID for a host that is none, and for a connection that does not exist.
 */
export function podmanEndpoint(env: Env, place = ""): Endpoint {
  const host = place.includes("://") ? place : place === "" ? env["CONTAINER_HOST"] : undefined;
  if (host) return withIdentity(parseEndpoint(host, undefined, "podman"), env["CONTAINER_SSHKEY"]);
  const connection = place || env["CONTAINER_CONNECTION"];
  if (connection) return connectionEndpoint(env, connection);
  const [own = SYSTEM_SOCKET] = sockets(env);
  return { kind: "unix", path: sockets(env).find(existsSync) ?? own };
}

/** The endpoint, or undefined where nobody says that there is a podman: neither a variable nor a socket. */
export function podmanEndpointIfAny(env: Env): Endpoint | undefined {
  const isNamed = env["CONTAINER_HOST"] || env["CONTAINER_CONNECTION"];
  return isNamed || sockets(env).some(existsSync) ? podmanEndpoint(env) : undefined;
}

function withIdentity(endpoint: Endpoint, identity: unknown): Endpoint {
  return endpoint.kind === "ssh" && typeof identity === "string" && identity !== ""
    ? { ...endpoint, identity }
    : endpoint;
}

function connectionEndpoint(env: Env, name: string): Endpoint {
  const config = env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config");
  const path = env["PODMAN_CONNECTIONS_CONF"] || join(config, "containers/podman-connections.json");
  const { URI, Identity } = connectionsIn(path)?.[name] ?? {};
  if (typeof URI !== "string") {
    throw new InitwrapError("LOCATOR_INVALID", `there is no podman connection ${name}`, {
      where: path,
      hint: "`podman system connection list` lists them, those of podman 5 and later; any podman is reached by its URI as CONTAINER_HOST.",
    });
  }
  try {
    return withIdentity(parseEndpoint(URI, undefined, "podman"), Identity);
  } catch (cause) {
    throw withPlace(cause, `the podman connection ${name}`);
  }
}

type Connections = Readonly<Record<string, { readonly URI?: unknown; readonly Identity?: unknown }>>;

function connectionsIn(path: string): Connections | undefined {
  try {
    const file = JSON.parse(readFileSync(path, "utf8")) as { Connection?: { Connections?: Connections } } | null;
    return file?.Connection?.Connections;
  } catch {
    return undefined;
  }
}

/** Where a service listens unless it is told otherwise, the user's own first. */
function sockets(env: Env): readonly string[] {
  const runtime = env["XDG_RUNTIME_DIR"];
  return [...(runtime ? [join(runtime, "podman/podman.sock")] : []), SYSTEM_SOCKET];
}
