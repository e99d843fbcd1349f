/**
 * One build: the frontend that reads the Dockerfile makes its result, each platform of which is given the init.
 *
 * What is not an image's config or snapshot goes through untouched, also what a later BuildKit may add to a result.
 */
import { InitwrapError } from "../../cli/src/model/errors.ts";
import type { Init } from "../../init-core/lib/init.ts";
import { type Gateway, type Result, withRefs } from "./gateway.ts";
import { GrpcError, UNIMPLEMENTED } from "./grpc.ts";
import type { FrontendRequest } from "./request.ts";

/** Where a result keeps an image's config; with `/` and the platform where it has several. Source: BuildKit, exptypes. */
const CONFIG = "containerimage.config";

/** Runs the build and returns its result to BuildKit. Rejects with GrpcError, or InitwrapError for what is refused. */
export async function build(gateway: Gateway, request: FrontendRequest): Promise<void> {
  if (request.initOptions.length > 0 && !request.isQuery) {
    // With the init's own code, which is loaded only for this.
    const { checkInitOptions } = await import("../../cli/src/wrap/init-options.ts");
    checkInitOptions(request.initOptions);
  }
  const [capabilities, inputs] = await Promise.all([gateway.ping(), inputsOf(gateway)]);
  const solving = gateway.solve({
    frontend: request.upstream === undefined ? "dockerfile.v0" : "gateway.v0",
    options: request.options,
    inputs,
    ...(request.isQuery ? {} : { cacheImports: request.cacheImports }),
  });
  // What is needed next is loaded while BuildKit works.
  const [result, { wrapImage }] = await Promise.all([solving, import("./wrap-image.ts")]);
  if (request.isQuery) return gateway.return(result.fields);
  const ids = new Map<string, string>();
  const metadata = new Map(result.metadata);
  const attestations = new Map(result.attestations);
  // A result without any snapshot is an empty image.
  const refs = result.refs.size > 0 ? result.refs : new Map([["", undefined]]);
  await Promise.all(
    Array.from(refs, async ([key, ref]) => {
      ids.set(key, ref?.id ?? "");
      const wrapped = await wrapImage(gateway, request, capabilities, configOf(result, key), ref);
      if (wrapped === undefined) return;
      metadata.set(configKey(result, key), wrapped.config);
      ids.set(key, wrapped.id);
      for (const [platform, own] of result.attestations) {
        if (key !== "" && key !== platform) continue;
        attestations.set(platform, await withInitsSbom(gateway, request, own, wrapped.init));
      }
    }),
  );
  // In the order in which they came, whichever was ready first.
  const ordered = new Map(Array.from(refs.keys(), (key) => [key, ids.get(key) ?? ""]));
  await gateway.return(withRefs(result, ordered, metadata, attestations));
}

/** A platform's attestations; with the init's, where there is an SBOM among them. */
async function withInitsSbom(
  gateway: Gateway,
  request: FrontendRequest,
  attestations: Uint8Array,
  init: Init,
): Promise<Uint8Array> {
  const { hasSbom, SBOM_FILE, spdxOf, withSbom } = await import("./sbom.ts");
  if (!hasSbom(attestations)) return attestations;
  const { soleFile } = await import("./llb.ts");
  const id = await gateway.snapshot({ definition: soleFile(SBOM_FILE, spdxOf(init, request.created)) });
  return withSbom(attestations, id);
}

/** A BuildKit of before the call has no such contexts. */
async function inputsOf(gateway: Gateway): Promise<Map<string, Uint8Array>> {
  try {
    return await gateway.inputs();
  } catch (error) {
    if (error instanceof GrpcError && error.code === UNIMPLEMENTED) return new Map();
    throw error;
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
