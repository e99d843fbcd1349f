/**
 * One platform's image with the init: its snapshot and its config.
 *
 * Loaded while BuildKit evaluates the Dockerfile, which takes it longer than this: no build waits for it.
 */
import { INIT_PATH } from "../../cli/src/model/compose.ts";
import type { Diagnostic } from "../../cli/src/model/diagnostics.ts";
import { InitwrapError } from "../../cli/src/model/errors.ts";
import { formatPlatform, samePlatform } from "../../cli/src/model/platform.ts";
import { helpOf, messageOf } from "../../cli/src/terminal/messages.ts";
import { InitCoreError } from "../../init-core/lib/errors.ts";
import { type Init, initFor } from "../../init-core/lib/init.ts";
import type { Capabilities, Gateway, Ref } from "./gateway.ts";
import { GrpcError } from "./grpc.ts";
import { platformOf, wrapConfig } from "./image-config.ts";
import { topOf, withInit } from "./llb.ts";
import type { FrontendRequest } from "./request.ts";

/** One platform with the init: its config and its snapshot's id; undefined when it stays as it is. */
export async function wrapImage(
  gateway: Gateway,
  request: FrontendRequest,
  capabilities: Capabilities,
  config: Uint8Array,
  ref: Ref | undefined,
): Promise<{ readonly config: Uint8Array; readonly id: string; readonly init: Init } | undefined> {
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
  const { bytes, renewed, diagnostics } = wrapConfig(config, {
    initOptions: request.initOptions,
    replaceInit: request.replaceInit,
    force: request.force,
    initVersion: init.version,
    created: request.created,
  });
  await report(diagnostics);
  const isOlder = renewed !== undefined && !(await isCurrent(gateway, ref, init));
  const wrapped = isOlder ? renewed : bytes;
  if (wrapped === undefined) return undefined;
  const definition = withInit(ref?.definition, {
    bytes: init.bytes(),
    platform,
    canMerge: capabilities.llb.has("mergeop"),
  });
  const id = await gateway.snapshot({ definition, cacheImports: request.cacheImports });
  return { config: wrapped, id, init };
}

/** Whether the file that is there, on an image that begins with our init already, is this release's. */
async function isCurrent(gateway: Gateway, ref: Ref | undefined, init: Init): Promise<boolean> {
  if (ref === undefined) return false;
  const bytes = init.bytes();
  try {
    return bytes.equals(await gateway.readFile(ref.id, INIT_PATH, bytes.length + 1));
  } catch (error) {
    // There is no such file; or the build fails, which BuildKit then says itself.
    if (error instanceof GrpcError) return false;
    throw error;
  }
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
