/**
 * Where podman's API service listens, found as podman's remote client finds it: CONTAINER_HOST, else the user's socket, else
 * the system's. It answers Docker's API beside its own.
 *
 * Source: podman-system-service(1), podman(1), "CONTAINER_HOST".
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { InitwrapError } from "../model/errors.ts";
import { type Endpoint, parseEndpoint } from "./docker-engine.ts";

const SYSTEM_SOCKET = "/run/podman/podman.sock";

/** The endpoint, or undefined where no service listens. Throws LOCATOR_INVALID for a CONTAINER_HOST that is no endpoint. */
export function podmanEndpoint(env: Readonly<Record<string, string | undefined>>): Endpoint | undefined {
  const host = env["CONTAINER_HOST"];
  if (host?.startsWith("ssh://")) {
    throw new InitwrapError("LOCATOR_INVALID", `a podman service behind ssh cannot be asked: ${host}`, {
      hint: "forward its socket with ssh -L, and set CONTAINER_HOST=unix:///path/to/podman.sock",
    });
  }
  if (host) return parseEndpoint(host);
  const runtime = env["XDG_RUNTIME_DIR"];
  const sockets = [...(runtime ? [join(runtime, "podman", "podman.sock")] : []), SYSTEM_SOCKET];
  const path = sockets.find((socket) => statSync(socket, { throwIfNoEntry: false })?.isSocket());
  return path === undefined ? undefined : { kind: "unix", path };
}
