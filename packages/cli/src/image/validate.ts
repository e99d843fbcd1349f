/**
 * What must hold before an image is touched, and what must hold after.
 *
 * `checkImage` refuses images for which no right answer exists. `proveConfig` compares a config before and after, field by
 * field, so that a fault in the editing shows itself as a refusal and never as a broken image.
 */
import { isTextRecord, unreadError } from "../model/descriptor.ts";
import { isDigest, unreadDigest } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import { type Invocation, sameArgv } from "../model/invocation.ts";
import { OCI_LAYER_TAR } from "../model/media-types.ts";
import { requireOneSpelling } from "../model/one-spelling.ts";
import { formatPlatform } from "../model/platform.ts";
import { isRecord } from "../model/record.ts";
import { UNDO_KEY, VERSION_LABEL } from "./mutate.ts";
import { type ImageConfig, type ManifestNode, platformOf } from "./snapshot.ts";

/** The struct fields that engines match without regard to case: a second spelling would be a second value. */
const TOP_FIELDS = ["config", "rootfs", "history", "created", "os", "architecture", "variant"];
const CONFIG_FIELDS = ["Entrypoint", "Cmd", "Labels", "Env", "ArgsEscaped", "User", "StopSignal", "OnBuild"];
const ROOTFS_FIELDS = ["type", "diff_ids"];
const HISTORY_FIELDS = ["created", "created_by", "empty_layer"];

/** Throws NOT_LINUX, UNSUPPORTED_IMAGE or IMAGE_INVALID with the platform as the place. */
export function checkImage(node: ManifestNode): void {
  const config = node.config.value;
  const where = node.descriptor.digest;
  const isText = (value: unknown): boolean => value === undefined || value === null || typeof value === "string";
  if (typeof config.os !== "string" || typeof config.architecture !== "string" || !isText(config.variant)) {
    throw new InitwrapError("IMAGE_INVALID", "the config names no os and architecture", { where });
  }
  if (config.os !== "linux") {
    throw new InitwrapError("NOT_LINUX", `the image is for ${formatPlatform(platformOf(node))}`, {
      hint: "Only Linux containers have a PID 1 that must reap; narrow an index with --platform linux/amd64.",
      where,
    });
  }
  requireOneSpelling(config, TOP_FIELDS, "the config", where);
  if (config.config !== undefined && config.config !== null && !isRecord(config.config)) {
    throw new InitwrapError("IMAGE_INVALID", "config, which says what is run, is no object", { where });
  }
  if (config.config) requireOneSpelling(config.config, CONFIG_FIELDS, "the config", where);
  strings(config.config?.Entrypoint, "Entrypoint", where);
  strings(config.config?.Cmd, "Cmd", where);
  strings(config.config?.Env, "Env", where);
  if (!isTextRecord(config.config?.Labels)) {
    throw new InitwrapError("IMAGE_INVALID", "Labels is no object of texts", { where });
  }
  if (config.rootfs?.type !== "layers") {
    throw new InitwrapError("UNSUPPORTED_IMAGE", `the rootfs is of type ${config.rootfs?.type}`, { where });
  }
  requireOneSpelling(config.rootfs, ROOTFS_FIELDS, "the config's rootfs", where);
  const diffIds = config.rootfs.diff_ids ?? [];
  const { layers } = node.manifest;
  if (!Array.isArray(diffIds) || diffIds.length !== layers.length) {
    throw new InitwrapError(
      "IMAGE_INVALID",
      `the config lists ${diffIds.length} layers and the manifest ${layers.length}`,
      { where, hint: "The image is damaged or was edited by hand; build or pull it again." },
    );
  }
  strings(diffIds, "diff_ids", where);
  const { history } = config;
  if (history !== undefined && history !== null && !(Array.isArray(history) && history.every(isRecord))) {
    throw new InitwrapError("IMAGE_INVALID", "history is no list of steps", { where });
  }
  for (const step of history ?? []) requireOneSpelling(step, HISTORY_FIELDS, "the config's history", where);
  if (history?.some(({ created_by: step }) => !isText(step))) {
    throw new InitwrapError("IMAGE_INVALID", "history has a step that is no text", { where });
  }
}

/**
 * Throws IMAGE_INVALID where config and manifest disagree about a layer, as far as that shows without opening it: a layer that is
 * not compressed is its own diff_id. Docker's type for such layers proves nothing, for old engines gave it to compressed ones.
 */
export function checkLayers(node: ManifestNode): void {
  const where = node.descriptor.digest;
  const diffIds = node.config.value.rootfs.diff_ids ?? [];
  for (const [place, { mediaType, digest }] of node.manifest.layers.entries()) {
    const diffId = diffIds[place];
    const unread = unreadDigest(diffId);
    if (unread !== undefined) throw unreadError(`diff_ids[${place}] is a ${unread} digest`, where);
    if (!isDigest(diffId))
      throw new InitwrapError("IMAGE_INVALID", `diff_ids[${place}] is no sha256 digest`, { where });
    if (mediaType !== OCI_LAYER_TAR || digest === diffId) continue;
    throw new InitwrapError(
      "IMAGE_INVALID",
      `the config has ${diffId} where the manifest has the plain layer ${digest}`,
      {
        where,
        hint: "The image is damaged or was edited by hand; build or pull it again.",
      },
    );
  }
}

/** Entrypoint and Cmd as the rule takes them. */
export function invocationOf(config: ImageConfig): Invocation {
  return { entrypoint: config.config?.Entrypoint ?? null, cmd: config.config?.Cmd ?? null };
}

/** A variable of the image's environment; of several the last counts. */
export function variableOf(config: ImageConfig, name: string): string | undefined {
  const line = config.config?.Env?.findLast((one) => one.startsWith(`${name}=`));
  return line?.slice(name.length + 1);
}

/** Proves `entrypoint' = prefix + entrypoint`, `cmd' = cmd`, and that nothing else differs. Throws PROOF_FAILED. */
export function proveConfig(before: ImageConfig, after: ImageConfig, expected: Invocation, diffId: string): void {
  const got = invocationOf(after);
  if (!sameArgv(got.entrypoint, expected.entrypoint)) fail("the entrypoint");
  if (!same(before.config?.Cmd, after.config?.Cmd)) fail("the command");
  const diffIds = [...(before.rootfs.diff_ids ?? []), diffId];
  if (!same(after.rootfs.diff_ids, diffIds)) fail("the list of layers");
  const history = after.history ?? [];
  if (!same(history.slice(0, -1), [...(before.history ?? [])])) fail("the history");
  if (!same(withoutOurs(after), withoutOurs(before))) fail("a field that must not change");
}

/** Equal as text: what was not edited keeps even the order of its keys. */
function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function withoutOurs(config: ImageConfig): unknown {
  const { history: _history, created: _created, rootfs, config: section, ...others } = config;
  const { diff_ids: _diffIds, ...rootfsOthers } = rootfs;
  const { Entrypoint: _entrypoint, Labels, ...sectionOthers } = section ?? {};
  const { [VERSION_LABEL]: _version, [UNDO_KEY]: _undo, ...labels } = Labels ?? {};
  return { ...others, rootfs: rootfsOthers, section: sectionOthers, labels };
}

function fail(what: string): never {
  throw new InitwrapError("PROOF_FAILED", `after the change ${what} is not what it must be`, {
    hint: "This is a fault of initwrap: nothing was written. Please report it with the image's config.",
  });
}

function strings(list: unknown, field: string, where: string): void {
  if (list === undefined || list === null) return;
  if (!Array.isArray(list) || list.some((word) => typeof word !== "string")) {
    throw new InitwrapError("IMAGE_INVALID", `${field} is no list of strings`, { where });
  }
}
