/**
 * The use-case behind `initwrap verify`: does every platform's image start an init, with the right bytes, in front of what it
 * ran before? Nothing is written; with `run` a container is started once, stopped and removed.
 */
import { initFor, initPlatforms } from "@initwrap/init-core";
import { type ImageNode, type ManifestNode, platformOf, readSnapshot, type Snapshot } from "../image/snapshot.ts";
import { judgePlatform, type PlatformVerdict, pid1Of, type ReleasedInit } from "../image/verdict.ts";
import type { Diagnostic } from "../model/diagnostics.ts";
import type { Digest } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import { argvOf } from "../model/invocation.ts";
import { formatPlatform, normalizePlatform, type Platform, samePlatform } from "../model/platform.ts";
import type { Root, Source, StoreContext } from "../store/contract.ts";
import type { Locator } from "../store/locator.ts";
import { readOrAbsent } from "./image.ts";
import { InitFiles } from "./init-file.ts";
import { withImage } from "./open-image.ts";
import { manifestsUnder } from "./path-taken.ts";
import { engineOf, type RunVerdict, runPlatform } from "./verify-run.ts";

export interface VerifyRequest {
  /** A locator: `app:1`, `image.tar`, `oci:folder:tag`, `registry:host/app:1`… */
  readonly source: string;
  /** Only these; all when empty or absent. */
  readonly platforms?: readonly Platform[];
  /** SHA-256 of other files that count as the init, in hexadecimal: those of other releases, for instance. */
  readonly acceptedInits?: readonly string[];
  /** Start the image once and stop it; `timeout` are the seconds it has for ending. */
  readonly run?: { readonly timeout: number };
  readonly env?: StoreContext["env"];
  readonly insecureRegistries?: StoreContext["insecureRegistries"];
  readonly signal?: AbortSignal;
}

export interface VerifyResult {
  readonly verified: boolean;
  /** Where the image was found. */
  readonly source: Locator;
  readonly names: readonly string[];
  /** By which the place knows the image: a manifest's or an index's, or the image ID where no manifest is kept. */
  readonly digest: Digest;
  readonly platforms: readonly (PlatformVerdict & { readonly run: RunVerdict | null })[];
  /** All findings: those of the platforms, of running them, and of the index. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Looks at one image. Throws what cannot be looked at; what is wrong with the image are findings. */
export async function verifyImage(request: VerifyRequest): Promise<VerifyResult> {
  const context: StoreContext = {
    env: request.env ?? process.env,
    ...(request.insecureRegistries ? { insecureRegistries: request.insecureRegistries } : {}),
    ...(request.signal ? { signal: request.signal } : {}),
  };
  return withImage(request.source, context, async ({ locator, source, root }) => {
    const snapshot = await readSnapshot(root.descriptor, root.names, (descriptor) => readOrAbsent(source, descriptor));
    const { chosen, diagnostics } = choose(snapshot, request.platforms ?? []);
    const files = new InitFiles(source, root, context);
    const accepted = new Set(request.acceptedInits ?? []);
    const verdicts: PlatformVerdict[] = [];
    for (const node of chosen) {
      const file = pid1Of(node).kind === "initwrap" ? await files.find(node) : undefined;
      verdicts.push(judgePlatform(node, file, releasedInit(platformOf(node)), accepted));
    }
    const runs = request.run ? await runAll(chosen, source, root, context, request.run.timeout) : undefined;
    const all = [
      ...diagnostics,
      ...verdicts.flatMap((verdict) => verdict.diagnostics),
      ...(runs?.diagnostics ?? []),
      ...(runs?.verdicts.flatMap((run) => run?.diagnostics ?? []) ?? []),
    ];
    return {
      verified: !all.some(isError),
      source: locator,
      names: root.names,
      digest: root.synthesized ? chosen[0]!.config.descriptor.digest : root.descriptor.digest,
      platforms: verdicts.map((verdict, at) => {
        const run = runs?.verdicts[at] ?? null;
        return { ...verdict, verified: verdict.verified && !run?.diagnostics.some(isError), run };
      }),
      diagnostics: all,
    };
  });
}

/** Throws NOT_VERIFIED unless the result is that of a verified image. */
export function requireVerified(result: VerifyResult, name: string): void {
  if (result.verified) return;
  const failed = result.platforms.filter(({ verified }) => !verified).map(({ platform }) => platform);
  const which = failed.length === 0 ? "it could not be run" : failed.join(", ");
  throw new InitwrapError("NOT_VERIFIED", `the image is not verified: ${which}`, {
    hint: "Each finding above says what is wrong, and where to read more.",
    where: name,
  });
}

function isError({ severity }: Diagnostic): boolean {
  return severity === "error";
}

/** The images to look at. Throws IMAGE_NOT_FOUND for a platform that was asked for and is not there. */
function choose(snapshot: Snapshot, wanted: readonly Platform[]) {
  if (snapshot.root.kind === "artifact") {
    throw new InitwrapError("UNSUPPORTED_IMAGE", `not a container image: ${snapshot.root.reason}`, {
      where: snapshot.root.descriptor.digest,
    });
  }
  const manifests = [...manifestsUnder(snapshot.root)];
  const isWanted = (platform: Platform): boolean =>
    wanted.length === 0 || wanted.some((one) => samePlatform(one, platform));
  const chosen = manifests.filter((node) => isWanted(platformOf(node)));
  const missing = wanted.find((one) => !manifests.some((node) => samePlatform(one, platformOf(node))));
  if (missing || chosen.length === 0) {
    const what = missing ? `an image for ${formatPlatform(missing)}` : "an image of any platform";
    throw new InitwrapError("IMAGE_NOT_FOUND", `there is not ${what} here`, {
      hint: `There is ${manifests.map((node) => formatPlatform(platformOf(node))).join(", ") || "none"}.`,
    });
  }
  const diagnostics: Diagnostic[] = [];
  for (const descriptor of wanted.length === 0 ? absentUnder(snapshot.root) : []) {
    const platform = descriptor.platform ? formatPlatform(descriptor.platform) : descriptor.digest;
    diagnostics.push({ code: "PLATFORM_ABSENT", severity: "warning", args: { platform } });
  }
  return { chosen, diagnostics };
}

function absentUnder(node: ImageNode): readonly ImageNode["descriptor"][] {
  if (node.kind === "absent") return [node.descriptor];
  return node.kind === "index" ? node.children.flatMap(absentUnder) : [];
}

/** The shipped init for a platform, and those of older variants of its CPU, which it runs too. */
function releasedInit(platform: Platform): ReleasedInit | undefined {
  const { os, architecture, variant } = normalizePlatform(platform);
  const newest = variant ?? (architecture === "arm" ? "v7" : "");
  const inits = initPlatforms()
    .filter((one) => one.os === os && one.architecture === architecture && (one.variant ?? "") <= newest)
    .map(initFor);
  const [first] = inits;
  return first && { version: first.version, files: new Set(inits.map(({ sha256 }) => sha256)) };
}

interface Runs {
  /** In the order of the platforms; undefined for one that was not started. */
  readonly verdicts: readonly (RunVerdict | undefined)[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Runs what the engine's own platform is; it is an error when that is nothing, for nothing was shown then. */
async function runAll(
  nodes: readonly ManifestNode[],
  source: Source,
  root: Root,
  context: StoreContext,
  timeout: number,
): Promise<Runs> {
  const { engine, own } = engineOf(source, context);
  try {
    const native = (await engine.facts()).platform;
    const skipped: { readonly platform: string; readonly reason: string }[] = [];
    const verdicts: (RunVerdict | undefined)[] = [];
    for (const node of nodes) {
      const platform = formatPlatform(platformOf(node));
      const pid1 = pid1Of(node);
      const command = pid1.kind === "initwrap" ? argvOf(pid1.command) : ["known by its name"];
      const { os, architecture } = platformOf(node);
      let verdict: RunVerdict | undefined;
      if (`${os}/${architecture}` !== native) skipped.push({ platform, reason: `the engine runs ${native}` });
      else if (pid1.kind === "none") skipped.push({ platform, reason: "it has no init" });
      else if (command.length === 0) skipped.push({ platform, reason: "it has no command" });
      else verdict = await runPlatform(engine, source, root, context, { node, pid1, timeout });
      verdicts.push(verdict);
    }
    const severity = verdicts.every((one) => one === undefined) ? "error" : "note";
    return { verdicts, diagnostics: skipped.map((args) => ({ code: "RUN_SKIPPED", severity, args })) };
  } finally {
    if (!own) await engine.close();
  }
}
