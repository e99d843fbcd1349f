/**
 * Where docker and podman keep who the user is at a registry, read in podman's order with docker's files at the end:
 *
 * 1. REGISTRY_AUTH_FILE, alone, when it is set;
 * 2. $XDG_RUNTIME_DIR/containers/auth.json (else /run/containers/UID/auth.json);
 * 3. $XDG_CONFIG_HOME/containers/auth.json (else ~/.config/containers/auth.json);
 * 4. DOCKER_AUTH_CONFIG, a docker configuration as text, which CI systems set;
 * 5. $DOCKER_CONFIG/config.json (else ~/.docker/config.json);
 * 6. ~/.dockercfg, which has been docker's until 2015, and still is in clusters' secrets.
 *
 * Within a file: `credHelpers` for the host, else `credsStore`, else `auths`. Hosts match exactly, port included: a
 * password never goes to a host that merely looks like the one it was saved for. In `auths`, a key with a path and no
 * scheme counts only for the repositories below it, the longest one first.
 *
 * Sources: containers-auth.json(5), containers/image pkg/docker/config; docker/cli cli/config/configfile.
 */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { InitwrapError } from "../../model/errors.ts";
import { isRecord } from "../../model/record.ts";
import { askCredentialHelper } from "./credential-helper.ts";
import type { Environment } from "./proxy.ts";

/** Who the user is at one registry. Never printed, never put into an error. */
export type Credentials =
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  /** An OAuth2 refresh token, to be exchanged at the token server. */
  | { readonly kind: "identity"; readonly token: string }
  /** A bearer token that the registry takes as it is. */
  | { readonly kind: "registry"; readonly token: string };

/** Finds credentials; the answer is undefined for an anonymous user. */
export interface CredentialSource {
  /** `registry` as in a reference (`docker.io`, `host:5000`); `repository` below it. */
  find(registry: string, repository: string): Promise<Credentials | undefined>;
}

/** What docker has called Docker Hub in its configuration since its first version. */
const HUB_KEY = "https://index.docker.io/v1/";
const HUB_HOSTS = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"]);
/** A configuration larger than this is none. Bytes. */
const MAX_FILE = 4 * 1024 * 1024;

interface AuthEntry {
  readonly auth?: unknown;
  readonly username?: unknown;
  readonly password?: unknown;
  readonly identitytoken?: unknown;
  readonly registrytoken?: unknown;
}

interface AuthFile {
  readonly path: string;
  readonly auths: Readonly<Record<string, AuthEntry | null>>;
  readonly credHelpers: Readonly<Record<string, unknown>>;
  readonly credsStore: string | undefined;
}

/** The user's own chain, read from `env` and its home directory; files and helpers are asked once, on first need. The signal ends helpers. */
export function credentialChain(env: Environment = process.env, signal?: AbortSignal): CredentialSource {
  let files: Promise<readonly AuthFile[]> | undefined;
  const helpers = new Map<string, ReturnType<typeof askCredentialHelper>>();
  const ask = (name: string, server: string): ReturnType<typeof askCredentialHelper> => {
    const key = `${name}\n${server}`;
    const known = helpers.get(key);
    if (known) return known;
    const answer = askCredentialHelper(name, server, env, signal);
    helpers.set(key, answer);
    return answer;
  };
  return {
    async find(registry, repository) {
      files ??= readChain(env);
      for (const file of await files) {
        const found = await findIn(file, registry, repository, ask);
        if (found) return found;
      }
      return undefined;
    },
  };
}

async function findIn(
  file: AuthFile,
  registry: string,
  repository: string,
  ask: (name: string, server: string) => ReturnType<typeof askCredentialHelper>,
): Promise<Credentials | undefined> {
  let usesStore = true;
  for (const key of [...namespaces(registry, repository), ...(isHub(registry) ? [HUB_KEY, "index.docker.io"] : [])]) {
    const helper = Object.hasOwn(file.credHelpers, key) ? file.credHelpers[key] : undefined;
    if (typeof helper !== "string") continue;
    // A helper named for a host is the only one asked for it, as in docker: its "not found" means anonymous here.
    if (helper !== "") return fromHelper(await ask(helper, key));
    // No helper for this host: what is in the file counts.
    usesStore = false;
    break;
  }
  if (file.credsStore && usesStore) {
    const found = fromHelper(await ask(file.credsStore, isHub(registry) ? HUB_KEY : registry));
    if (found) return found;
  }
  for (const wanted of namespaces(registry, repository)) {
    for (const [key, entry] of Object.entries(file.auths)) {
      if (normalizeKey(key) !== wanted || !entry) continue;
      const found = fromEntry(entry, file.path, wanted);
      if (found) return found;
    }
  }
  return undefined;
}

/** `host/a/b`, `host/a`, `host`: what may hold the credentials of a repository, the nearest first. */
function namespaces(registry: string, repository: string): string[] {
  const host = normalizeHost(registry);
  const parts = repository.split("/").filter(Boolean);
  return [...parts.map((_, index) => `${host}/${parts.slice(0, parts.length - index).join("/")}`), host];
}

/** One spelling of an `auths` key. A key with a scheme is docker's old form: its path says nothing. */
function normalizeKey(key: string): string {
  const url = /^https?:\/\/([^/]+)/i.exec(key);
  if (url) return normalizeHost(url[1]!);
  const slash = key.indexOf("/");
  if (slash < 0) return normalizeHost(key);
  const path = key.slice(slash).replace(/\/+$/, "");
  return `${normalizeHost(key.slice(0, slash))}${path}`;
}

function normalizeHost(host: string): string {
  const lower = host.toLowerCase();
  return HUB_HOSTS.has(lower) ? "docker.io" : lower;
}

function isHub(registry: string): boolean {
  return normalizeHost(registry) === "docker.io";
}

function fromHelper(answer: { username: string; secret: string } | undefined): Credentials | undefined {
  if (!answer) return undefined;
  if (answer.username === "<token>") return { kind: "identity", token: answer.secret };
  return { kind: "password", username: answer.username, password: answer.secret };
}

function fromEntry(entry: AuthEntry, path: string, key: string): Credentials | undefined {
  if (typeof entry.registrytoken === "string" && entry.registrytoken) {
    return { kind: "registry", token: entry.registrytoken };
  }
  if (typeof entry.identitytoken === "string" && entry.identitytoken) {
    return { kind: "identity", token: entry.identitytoken };
  }
  if (typeof entry.auth === "string" && entry.auth) {
    const text = Buffer.from(entry.auth, "base64").toString("utf8");
    const colon = text.indexOf(":");
    if (colon < 1) {
      throw new InitwrapError("AUTH_REQUIRED", `${path}: the entry for ${key} does not hold USER:PASSWORD`, {
        where: path,
        hint: "Log in again with `docker login` or `podman login`.",
      });
    }
    // docker pads with NUL bytes and trims them when it reads.
    return { kind: "password", username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, "") };
  }
  if (typeof entry.username === "string" && entry.username && typeof entry.password === "string") {
    return { kind: "password", username: entry.username, password: entry.password };
  }
  return undefined;
}

async function readChain(env: Environment): Promise<readonly AuthFile[]> {
  const home = env["HOME"] || homedir();
  const explicit = env["REGISTRY_AUTH_FILE"];
  if (explicit) {
    const file = await readAuthFile(explicit);
    if (file) return [file];
    throw new InitwrapError("AUTH_REQUIRED", `REGISTRY_AUTH_FILE names a file that does not exist: ${explicit}`, {
      where: explicit,
      hint: "Correct the variable or unset it.",
    });
  }
  const runtime = env["XDG_RUNTIME_DIR"] || `/run/containers/${process.getuid?.() ?? 0}`;
  const containers = [
    join(runtime, env["XDG_RUNTIME_DIR"] ? "containers/auth.json" : "auth.json"),
    join(env["XDG_CONFIG_HOME"] || join(home, ".config"), "containers/auth.json"),
  ];
  const inline = env[INLINE];
  const files = [
    ...(await Promise.all(containers.map((path) => readAuthFile(path)))),
    inline ? parseAuthFile(INLINE, inline) : undefined,
    await readAuthFile(join(env["DOCKER_CONFIG"] || join(home, ".docker"), "config.json")),
    await readAuthFile(join(home, ".dockercfg"), (auths) => ({ auths })),
  ];
  return files.filter((file) => file !== undefined);
}

/** `convert` makes a docker configuration of a document in another form. */
async function readAuthFile(
  path: string,
  convert?: (document: Record<string, unknown>) => Record<string, unknown>,
): Promise<AuthFile | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // A directory of another user is not ours to read, so it cannot hold our password.
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EACCES" || code === "EPERM") return undefined;
    throw new InitwrapError("AUTH_REQUIRED", `cannot read ${path}`, { where: path, cause: error });
  }
  if (bytes.length > MAX_FILE) throw malformed(path);
  return parseAuthFile(path, bytes.toString("utf8"), convert);
}

/** The variable whose text is such a file. */
const INLINE = "DOCKER_AUTH_CONFIG";

function parseAuthFile(
  path: string,
  text: string,
  convert = (document: Record<string, unknown>): Record<string, unknown> => document,
): AuthFile {
  let document: unknown;
  try {
    document = JSON.parse(text.replace(/^\uFEFF/, "") || "{}");
  } catch {
    // A JSON error quotes what it read, and that is a password file.
    throw malformed(path);
  }
  if (!isRecord(document)) throw malformed(path);
  const { auths, credHelpers, credsStore } = convert(document);
  return {
    path,
    auths: isRecord(auths) ? (auths as Record<string, AuthEntry | null>) : {},
    credHelpers: isRecord(credHelpers) ? credHelpers : {},
    credsStore: typeof credsStore === "string" ? credsStore : undefined,
  };
}

function malformed(path: string): InitwrapError {
  return new InitwrapError("AUTH_REQUIRED", `${path} is not a docker configuration in JSON`, {
    where: path,
    hint:
      path === INLINE
        ? "Correct the variable or unset it: it holds the text of a docker configuration."
        : "Repair or remove the file; `docker login` and `podman login` write it anew.",
  });
}
