/**
 * One build: the frontend that reads the Dockerfile makes its result, each platform of which is given the init.
 *
 * What is not an image's config or snapshot goes through untouched, also what a later BuildKit may add to a result.
 */
import type { Diagnostic } from "../../cli/src/model/diagnostics.ts";
import { InitwrapError } from "../../cli/src/model/errors.ts";
import { formatPlatform, samePlatform } from "../../cli/src/model/platform.ts";
import { helpOf, messageOf } from "../../cli/src/terminal/messages.ts";
import { InitCoreError } from "../../init-core/lib/errors.ts";
import { type Init, initFor } from "../../init-core/lib/init.ts";
import { type Capabilities, type Gateway, type Ref, type Result, withRefs } from "./gateway.ts";
import { platformOf, wrapConfig } from "./image-config.ts";
import { topOf, withInit } from "./llb.ts";
import type { FrontendRequest } from "./request.ts";

/** Where a result keeps an image's config; with `/` and the platform where it has several. Source: BuildKit, exptypes. */
const CONFIG = "containerimage.config";

/** Runs the build and returns its result to BuildKit. Rejects with GrpcError, or InitwrapError for what is refused. */
export async function build(gateway: Gateway, request: FrontendRequest): Promise<void> {
  const capabilities = await gateway.ping();
  const inputs = capabilities.frontend.has("frontend.inputs") ? await gateway.inputs() : new Map<string, Uint8Array>();
  const result = await gateway.solve({
    frontend: request.upstream === undefined ? "dockerfile.v0" : "gateway.v0",
    options: request.options,
    inputs,
    ...(request.isQuery ? {} : { cacheImports: request.cacheImports }),
  });
  if (request.isQuery) return gateway.return(result.fields);
  const ids = new Map<string, string>();
  const metadata = new Map(result.metadata);
  // A result without any snapshot is an empty image.
  const refs = result.refs.size > 0 ? result.refs : new Map([["", undefined]]);
  await Promise.all(
    Array.from(refs, async ([key, ref]) => {
      ids.set(key, ref?.id ?? "");
      const wrapped = await wrapImage(gateway, request, capabilities, configOf(result, key), ref);
      if (wrapped === undefined) return;
      metadata.set(configKey(result, key), wrapped.config);
      ids.set(key, wrapped.id);
    }),
  );
  // In the order in which they came, whichever was ready first.
  const ordered = new Map(Array.from(refs.keys(), (key) => [key, ids.get(key) ?? ""]));
  await gateway.return(withRefs(result, ordered, metadata));
}

/** One platform with the init: its config and its snapshot's id; undefined when it stays as it is. */
async function wrapImage(
  gateway: Gateway,
  request: FrontendRequest,
  capabilities: Capabilities,
  config: Uint8Array,
  ref: Ref | undefined,
): Promise<{ readonly config: Uint8Array; readonly id: string } | undefined> {
  const platform = platformOf(config);
  const report = (diagnostics: readonly Diagnostic[]): Promise<void> => warn(gateway, capabilities, ref, diagnostics);
  const where = formatPlatform(platform);
  const leave = (reason: string): Promise<void> =>
    report([{ code: "PLATFORM_LEFT_ALONE", severity: "warning", args: { platform: where, reason } }]);
  if (request.platforms.length > 0 && !request.platforms.some((one) => samePlatform(one, platform))) return undefined;
  if (platform.os !== "linux") {
    await leave("only Linux containers have a PID 1 that must reap");
    return undefined;
  }
  const init = initOf(platform, where);
  const { bytes, diagnostics } = wrapConfig(config, {
    initOptions: request.initOptions,
    replaceInit: request.replaceInit,
    force: request.force,
    initVersion: init.version,
    created: request.created,
  });
  await report(diagnostics);
  if (bytes === undefined) return undefined;
  const definition = withInit(ref?.definition, {
    bytes: init.bytes(),
    platform,
    canMerge: capabilities.llb.has("mergeop"),
  });
  const solved = await gateway.solve({ definition, cacheImports: request.cacheImports });
  const id = solved.refs.get("")?.id;
  if (id === undefined) throw new InitwrapError("DAEMON_FAILED", "BuildKit gave no snapshot for the init", { where });
  return { config: bytes, id };
}

function initOf(platform: Parameters<typeof initFor>[0], where: string): Init {
  try {
    return initFor(platform);
  } catch (cause) {
    if (!(cause instanceof InitCoreError) || cause.code !== "E_NO_INIT") throw cause;
    throw new InitwrapError("NO_INIT_FOR_PLATFORM", `there is no init for ${where}`, {
      hint: "Leave that platform out with --build-arg INITWRAP_PLATFORMS=...",
      where,
      cause,
    });
  }
}

function configKey(result: Result, key: string): string {
  const own = `${CONFIG}/${key}`;
  return key !== "" && result.metadata.has(own) ? own : CONFIG;
}

function configOf(result: Result, key: string): Uint8Array {
  const config = result.metadata.get(configKey(result, key));
  if (config !== undefined) return config;
  throw new InitwrapError("IMAGE_INVALID", "the frontend that reads the Dockerfile gave no image config", {
    hint: "initwrap wraps images; a frontend that makes something else is used without it.",
    ...(key === "" ? {} : { where: key }),
  });
}

/** Shows findings beside BuildKit's own warnings. What it cannot show goes to its log. */
async function warn(
  gateway: Gateway,
  capabilities: Capabilities,
  ref: Ref | undefined,
  diagnostics: readonly Diagnostic[],
): Promise<void> {
  const vertex = ref?.definition === undefined ? undefined : topOf(ref.definition);
  for (const diagnostic of diagnostics) {
    const text = `initwrap: ${messageOf(diagnostic)} [${diagnostic.code}]`;
    if (vertex !== undefined && capabilities.frontend.has("gateway.warnings")) {
      await gateway.warn(vertex, text, helpOf(diagnostic.code));
    } else process.stderr.write(`${text}\n`);
  }
}
