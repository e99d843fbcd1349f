/** The judgement of one platform, for any image that wrapping makes and for any that somebody changed afterwards. */
import { initFor } from "@initwrap/init-core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planImage } from "../../../packages/cli/src/image/plan.ts";
import { type ManifestNode, readSnapshot } from "../../../packages/cli/src/image/snapshot.ts";
import { type InitFile, judgePlatform, pid1Of, type ReleasedInit } from "../../../packages/cli/src/image/verdict.ts";
import { knownInit } from "../../../packages/cli/src/model/known-inits.ts";
import { shippedInit } from "../../../packages/cli/src/wrap/image.ts";
import { type SampleImage, sampleImage } from "../../contract/sample-image.ts";

const shipped = initFor({ os: "linux", architecture: "amd64" });
const release: ReleasedInit = { version: shipped.version, files: new Set([shipped.sha256]) };
const intact: InitFile = { kind: "file", sha256: shipped.sha256, mode: 0o755, layer: null };

async function nodeOf(root: SampleImage["root"], blobs: ReadonlyMap<string, Uint8Array>): Promise<ManifestNode> {
  const { root: node } = await readSnapshot(root, [], async ({ digest }) => blobs.get(digest));
  if (node.kind !== "manifest") throw new Error(node.kind);
  return node;
}

async function wrapped(config: Record<string, unknown>, initOptions: readonly string[] = []): Promise<ManifestNode> {
  const image = sampleImage({ config });
  const blobs = new Map(image.blobs.map(({ descriptor, bytes }) => [descriptor.digest as string, bytes]));
  const snapshot = await readSnapshot(image.root, [], async ({ digest }) => blobs.get(digest));
  const plan = planImage(snapshot, { action: "wrap", initOptions, initFor: shippedInit });
  for (const blob of plan.blobs) if (blob.kind === "document") blobs.set(blob.descriptor.digest, blob.bytes);
  return nodeOf(plan.after as SampleImage["root"], blobs);
}

/** The same image with another value in its config's `config`. */
function withConfig(node: ManifestNode, change: Record<string, unknown>): ManifestNode {
  const value = { ...node.config.value, config: { ...node.config.value.config, ...change } };
  return { ...node, config: { ...node.config, value, bytes: Buffer.from(JSON.stringify(value)) } };
}

const errors = ({ diagnostics }: ReturnType<typeof judgePlatform>): readonly string[] =>
  diagnostics.filter(({ severity }) => severity === "error").map(({ code }) => code);

/** Words of which none is an init. */
const words = fc.array(fc.string({ minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 4 });
const commands = fc.record({ Entrypoint: fc.option(words), Cmd: fc.option(words) }).filter(({ Entrypoint, Cmd }) => {
  const argv = [...(Entrypoint ?? []), ...(Cmd ?? [])];
  return argv.length > 0 && argv[0] !== "/initwrap" && knownInit(argv) === undefined;
});

/** One image for each init that is known, and the bare name under which it is told. */
const INITS = [
  "/sbin/tini",
  "/usr/bin/dumb-init",
  "catatonit",
  "docker-init",
  "pid1",
  "/init",
  "/sbin/init",
  "/lib/systemd/systemd",
  "/sbin/my_init",
  "s6-svscan",
  "runsvdir-start",
  "/usr/bin/supervisord",
];

describe("an image with an init of others", () => {
  it.each(INITS)("passes with a note where wrapping adds nothing or refuses: %s", async (program) => {
    const image = sampleImage({ config: { Entrypoint: [program], Cmd: ["-n"] } });
    const blobs = new Map(image.blobs.map(({ descriptor, bytes }) => [descriptor.digest as string, bytes]));
    const snapshot = await readSnapshot(image.root, [], async ({ digest }) => blobs.get(digest));
    let outcome: string;
    try {
      outcome = planImage(snapshot, { action: "wrap", initFor: shippedInit }).platforms[0]!.action;
    } catch (refusal) {
      outcome = (refusal as { code: string }).code;
    }
    expect(["unchanged", "MUST_BE_PID1"]).toContain(outcome);
    const verdict = judgePlatform(await nodeOf(image.root, blobs), undefined, release, new Set());
    expect(verdict.verified).toBe(true);
    expect(verdict.diagnostics).toEqual([expect.objectContaining({ code: "INIT_FOREIGN", severity: "note" })]);
  });

  it("supervisord with this one in front passes too, with its bytes checked", async () => {
    const image = sampleImage({ config: { Entrypoint: ["supervisord", "-n"] } });
    const blobs = new Map(image.blobs.map(({ descriptor, bytes }) => [descriptor.digest as string, bytes]));
    const snapshot = await readSnapshot(image.root, [], async ({ digest }) => blobs.get(digest));
    const plan = planImage(snapshot, { action: "wrap", force: true, initFor: shippedInit });
    for (const blob of plan.blobs) if (blob.kind === "document") blobs.set(blob.descriptor.digest, blob.bytes);
    const verdict = judgePlatform(await nodeOf(plan.after as SampleImage["root"], blobs), intact, release, new Set());
    expect([verdict.verified, verdict.init?.intact, verdict.diagnostics]).toEqual([true, true, []]);
  });
});

describe("an image that was wrapped", () => {
  it("is verified, whatever it runs", async () => {
    await fc.assert(
      fc.asyncProperty(commands, fc.subarray(["-v", "-g", "--grace=3"]), async (config, options) => {
        const verdict = judgePlatform(await wrapped(config, options), intact, release, new Set());
        expect([verdict.verified, verdict.command, verdict.diagnostics]).toEqual([true, "as-recorded", []]);
        expect(verdict.init).toMatchObject({ name: "initwrap", version: shipped.version, intact: true });
      }),
      { numRuns: 100 },
    );
  });

  it("is not, whichever word of what it runs is changed afterwards", async () => {
    await fc.assert(
      fc.asyncProperty(commands, fc.nat(), async (config, place) => {
        const node = await wrapped(config);
        const { Entrypoint, Cmd } = node.config.value.config!;
        const behind = [...Entrypoint!.slice(2), ...(Cmd ?? [])];
        const at = place % behind.length;
        const changed = behind.with(at, `${behind[at]}!`);
        const entrypoint = Entrypoint!.length - 2;
        const now = withConfig(node, {
          Entrypoint: ["/initwrap", "--", ...changed.slice(0, entrypoint)],
          ...(Cmd ? { Cmd: changed.slice(entrypoint) } : {}),
        });
        const verdict = judgePlatform(now, intact, release, new Set());
        expect(verdict.verified).toBe(false);
        expect(errors(verdict).some((code) => code === "COMMAND_CHANGED" || code === "RECORD_BROKEN")).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it("is not, when what is at the init's path is not the init", async () => {
    const node = await wrapped({ Entrypoint: ["/app"] });
    const judged = (file: InitFile | undefined, accepted: readonly string[] = []) =>
      errors(judgePlatform(node, file, release, new Set(accepted)));
    const other: InitFile = { ...intact, kind: "file", sha256: "0".repeat(64) };
    expect(judged(intact)).toEqual([]);
    expect(judged(other)).toEqual(["INIT_UNKNOWN"]);
    expect(judged(other, ["0".repeat(64)])).toEqual([]);
    expect(judged({ ...intact, mode: 0o700 } as InitFile)).toEqual(["INIT_FILE"]);
    expect(judged({ kind: "unusable", problem: "there is none" })).toEqual(["INIT_FILE"]);
    expect(judged(undefined)).toEqual(["INIT_FILE"]);
    // No init is released for the platform: its bytes are nobody's.
    expect(errors(judgePlatform(node, intact, undefined, new Set()))).toEqual(["INIT_UNKNOWN"]);
  });
});

describe("PID 1", () => {
  it.each([
    [["/initwrap", "--", "/app"], "initwrap"],
    [["/initwrap", "/app"], "none"],
    [["/other/initwrap", "--", "/app"], "none"],
    [["tini", "--", "/app"], "known"],
    [["/sbin/init"], "known"],
    [["/app"], "none"],
  ])("of %j is %s", async (Entrypoint, kind) => {
    const image = sampleImage({ config: { Entrypoint } });
    const blobs = new Map(image.blobs.map(({ descriptor, bytes }) => [descriptor.digest as string, bytes]));
    expect(pid1Of(await nodeOf(image.root, blobs)).kind).toBe(kind);
  });
});
