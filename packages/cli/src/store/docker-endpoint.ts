/**
 * Where the Docker Engine listens, found as the docker CLI finds it: DOCKER_HOST, else DOCKER_CONTEXT, else the current
 * context of its configuration, else the default socket.
 *
 * Sources: docker CLI reference, "Environment variables" and "docker context"; the context store keeps one folder a context,
 * named by the sha256 of its name.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { InitwrapError, withPlace } from "../model/errors.ts";
import { DEFAULT_SOCKET, type Endpoint, type EndpointTls, parseEndpoint } from "./docker-engine.ts";

type Env = Readonly<Record<string, string | undefined>>;

/**
 * The endpoint for an environment, or for what goes before it: `place` is a host as DOCKER_HOST has it, or the name of a
 * context. Throws LOCATOR_INVALID for a context that does not exist, or a host that is none.
 */
export function engineEndpoint(env: Env, place = ""): Endpoint {
  const isHost = place.includes("://");
  const host = isHost ? place : place === "" || place === "default" ? env["DOCKER_HOST"] : undefined;
  if (host) {
    try {
      return parse(host, environmentTls(env));
    } catch (cause) {
      throw isHost ? cause : withPlace(cause, "DOCKER_HOST");
    }
  }
  const context = place || env["DOCKER_CONTEXT"] || currentContext(env);
  if (!context || context === "default") {
    const tls = environmentTls(env);
    return tls ? parseEndpoint("tcp://localhost:2376", tls) : parseEndpoint(`unix://${DEFAULT_SOCKET}`);
  }
  const id = createHash("sha256").update(context).digest("hex");
  const folder = join(configFolder(env), "contexts");
  const text = readText(join(folder, "meta", id, "meta.json"));
  if (text === undefined) {
    throw new InitwrapError("LOCATOR_INVALID", `there is no Docker context ${context}`, {
      hint:
        place === ""
          ? "`docker context ls` lists them; DOCKER_HOST goes before them."
          : "`docker context ls` lists them.",
    });
  }
  const meta = json(text) as
    | { Endpoints?: { docker?: { Host?: unknown; SkipTLSVerify?: unknown } } }
    | null
    | undefined;
  const endpoint = meta?.Endpoints?.docker;
  if (typeof endpoint !== "object" || endpoint === null) {
    throw new InitwrapError("LOCATOR_INVALID", `the Docker context ${context} does not say where its engine is`, {
      where: join(folder, "meta", id, "meta.json"),
      hint: "Make it anew with `docker context create`.",
    });
  }
  if (typeof endpoint.Host !== "string" || endpoint.Host === "") return parseEndpoint(`unix://${DEFAULT_SOCKET}`);
  const tls = tlsIn(join(folder, "tls", id, "docker"));
  const isSecured = tls.ca !== undefined || tls.cert !== undefined || endpoint.SkipTLSVerify === true;
  try {
    return parse(endpoint.Host, isSecured ? { ...tls, skipVerify: endpoint.SkipTLSVerify === true } : undefined);
  } catch (cause) {
    throw withPlace(cause, `the Docker context ${context}`);
  }
}

/** TLS as the environment asks for it: DOCKER_TLS_VERIFY checks the engine's certificate, DOCKER_TLS alone does not. */
function environmentTls(env: Env): EndpointTls | undefined {
  if (!env["DOCKER_TLS_VERIFY"] && !env["DOCKER_TLS"]) return undefined;
  const tls = tlsIn(env["DOCKER_CERT_PATH"] || configFolder(env));
  return env["DOCKER_TLS_VERIFY"] ? tls : { ...tls, skipVerify: true };
}

function parse(host: string, tls: EndpointTls | undefined): Endpoint {
  return parseEndpoint(host, host.trim().startsWith("unix:") ? undefined : tls);
}

function tlsIn(folder: string): EndpointTls {
  const ca = readText(join(folder, "ca.pem"));
  const cert = readText(join(folder, "cert.pem"));
  const key = readText(join(folder, "key.pem"));
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

function currentContext(env: Env): string | undefined {
  const config = json(readText(join(configFolder(env), "config.json")) ?? "") as
    | { currentContext?: unknown }
    | undefined;
  return typeof config?.currentContext === "string" ? config.currentContext : undefined;
}

function configFolder(env: Env): string {
  return env["DOCKER_CONFIG"] || join(env["HOME"] || homedir(), ".docker");
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
