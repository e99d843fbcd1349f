/** The image config that BuildKit's Dockerfile frontend made, with the init in front: Entrypoint and one history entry. */
import {
  type ComposePolicy,
  composeEntrypoint,
  composeError,
  decompose,
  INIT_PATH,
  initPrefix,
} from "../../cli/src/model/compose.ts";
import type { Diagnostic } from "../../cli/src/model/diagnostics.ts";
import { InitwrapError } from "../../cli/src/model/errors.ts";
import { argvOf, type Invocation, sameArgv } from "../../cli/src/model/invocation.ts";
import {
  addItem,
  addMember,
  countAt,
  decodeJson,
  prependStrings,
  rawAt,
  replaceAt,
} from "../../cli/src/model/json-edit.ts";
import { formatPlatform, type Platform } from "../../cli/src/model/platform.ts";

export interface ConfigRequest {
  readonly initOptions: readonly string[];
  readonly replaceInit: boolean;
  /** Go on although supervisord is started. */
  readonly force: boolean;
  readonly initVersion: string;
  /** RFC 3339 time of the history entry; without it BuildKit gives it the layer's. */
  readonly created: string | undefined;
}

export interface WrappedConfig {
  /** Undefined where an init is in front already: the image stays as it is. */
  readonly bytes: Uint8Array | undefined;
  /** Where ours is in front already: the config for the case that its file is another release's. */
  readonly renewed?: Uint8Array;
  readonly diagnostics: readonly Diagnostic[];
}

interface Config {
  readonly os?: string;
  readonly architecture?: string;
  readonly variant?: string;
  readonly config?: {
    readonly Entrypoint?: readonly string[] | null;
    readonly Cmd?: readonly string[] | null;
    readonly Env?: readonly string[] | null;
  } | null;
}

/** What a config says it is for. Throws IMAGE_INVALID when it does not say. */
export function platformOf(bytes: Uint8Array): Platform {
  const { os, architecture, variant } = JSON.parse(decodeJson(bytes, "the image config")) as Config;
  if (!os || !architecture) throw new InitwrapError("IMAGE_INVALID", "the image config names no os and architecture");
  return { os, architecture, ...(variant ? { variant } : {}) };
}

/** Throws MUST_BE_PID1, INIT_NOT_REPLACED, PATH_TAKEN, PROOF_FAILED with the platform as the place. */
export function wrapConfig(bytes: Uint8Array, request: ConfigRequest): WrappedConfig {
  const before = decodeJson(bytes, "the image config");
  const config = JSON.parse(before) as Config;
  const where = formatPlatform(platformOf(bytes));
  const invocation = invocationOf(config);
  if (argvOf(invocation)[0] === INIT_PATH && !decompose(invocation)) {
    throw new InitwrapError("PATH_TAKEN", `the image runs an ${INIT_PATH} of its own`, {
      hint: "The init would replace that file. Move the program elsewhere in the image.",
      where,
    });
  }
  const policy: ComposePolicy = {
    replaceInit: request.replaceInit,
    allowSupervisor: request.force,
    variable: (name) => config.config?.Env?.findLast((one) => one.startsWith(`${name}=`))?.slice(name.length + 1),
  };
  const composition = composeEntrypoint(invocation, { path: INIT_PATH, options: request.initOptions }, policy);
  if (composition.kind === "refused") throw composeError(composition.note, where);
  const diagnostics = composition.notes.map(
    ({ code, ...args }): Diagnostic => ({ code, severity: "warning", args: { platform: where, ...args } }),
  );
  const created = request.created === undefined ? {} : { created: request.created };
  const withHistory = (text: string, what: string): string => {
    const entry = { ...created, created_by: `initwrap ${request.initVersion}: ${what}` };
    return countAt(text, ["history"]) ? addItem(text, ["history"], entry) : put(text, [], "history", [entry]);
  };
  if (composition.kind === "unchanged") {
    if (composition.reason !== "already") return { bytes: undefined, diagnostics };
    const renewed = withHistory(before, `${INIT_PATH} renewed`);
    prove(config, JSON.parse(renewed) as Config, invocation);
    return { bytes: undefined, renewed: Buffer.from(renewed), diagnostics };
  }
  const { entrypoint } = composition.invocation;
  const after = withHistory(
    setEntrypoint(before, invocation, entrypoint ?? [], initPrefix(composition.init)),
    `${INIT_PATH} -- in front of the entrypoint`,
  );
  prove(config, JSON.parse(after) as Config, composition.invocation);
  return { bytes: Buffer.from(after), diagnostics };
}

function invocationOf({ config }: Config): Invocation {
  return { entrypoint: config?.Entrypoint ?? null, cmd: config?.Cmd ?? null };
}

function setEntrypoint(
  text: string,
  before: Invocation,
  entrypoint: readonly string[],
  prefix: readonly string[],
): string {
  const raw = rawAt(text, ["config", "Entrypoint"]);
  const kept = entrypoint.slice(prefix.length);
  if (raw?.startsWith("[") && sameArgv(kept, before.entrypoint)) {
    return replaceAt(text, ["config", "Entrypoint"], prependStrings(raw, prefix));
  }
  if (countAt(text, ["config"])) return put(text, ["config"], "Entrypoint", entrypoint);
  return put(text, [], "config", { Entrypoint: entrypoint });
}

/** Sets a member of an object that has members. */
function put(text: string, path: readonly string[], key: string, value: unknown): string {
  if (rawAt(text, [...path, key]) === undefined) return addMember(text, path, key, value);
  return replaceAt(text, [...path, key], JSON.stringify(value));
}

/** Everything but Entrypoint and history is equal, and those are what they should be. */
function prove(before: Config, after: Config, wanted: Invocation): void {
  const rest = (config: Config): string => {
    const { history: _, config: inner, ...others } = config as Config & { history?: unknown };
    const { Entrypoint: _entrypoint, ...fields } = inner ?? {};
    return JSON.stringify([others, fields]);
  };
  const now = invocationOf(after);
  const holds =
    sameArgv(now.entrypoint, wanted.entrypoint) && sameArgv(now.cmd, wanted.cmd) && rest(before) === rest(after);
  if (!holds)
    throw new InitwrapError("PROOF_FAILED", "the image config would not be what it was, with the init in front");
}
