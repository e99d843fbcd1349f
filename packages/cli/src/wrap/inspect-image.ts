/** An image's platforms, each as its config and its history describe it. Only the small documents are read. */
import { configFindings } from "../image/config-findings.ts";
import { configOrigin } from "../image/origin.ts";
import { planImage } from "../image/plan.ts";
import { type ImageConfig, type ImageNode, type ManifestNode, platformOf, readSnapshot } from "../image/snapshot.ts";
import { decompose } from "../model/compose.ts";
import { EXIT, InitwrapError } from "../model/errors.ts";
import { type Change, type Inspected, type Inspection, refusal, type Setting } from "../model/inspection.ts";
import type { Invocation } from "../model/invocation.ts";
import { commandForm, firstProcess } from "../model/pid-one.ts";
import { formatPlatform, type Platform, samePlatform } from "../model/platform.ts";
import { readOrAbsent, shippedInit } from "./image.ts";
import type { CompleteInspectRequest } from "./inspect.ts";
import { withImage } from "./open-image.ts";

/** Inspects the image that a locator names. Throws LOCATOR_INVALID, IMAGE_NOT_FOUND and what its medium throws. */
export async function inspectImage(request: CompleteInspectRequest): Promise<Inspection> {
  const { env, signal, insecureRegistries, platforms, subject, target } = request;
  if (target !== undefined) {
    throw new InitwrapError("USAGE", `${subject} is an image, and has no stages`, {
      hint: "--target is for Dockerfiles; --platform names a part of an image.",
    });
  }
  return withImage(subject, { env, signal, insecureRegistries }, async ({ locator, source, root }) => {
    const snapshot = await readSnapshot(root.descriptor, root.names, (descriptor) => readOrAbsent(source, descriptor));
    const nodes = imagesIn(snapshot.root);
    const meant = nodes.filter(({ platform }) => {
      return platforms.length === 0 || (platform !== undefined && platforms.some((one) => samePlatform(one, platform)));
    });
    if (meant.length === 0) {
      const has = nodes.map(({ platform }) => (platform ? formatPlatform(platform) : "one without a name")).join(", ");
      const asked = platforms.map(formatPlatform).join(", ");
      throw new InitwrapError("IMAGE_NOT_FOUND", `the image is not there for ${asked}`, {
        where: subject,
        hint: has === "" ? "It has no platform at all." : `It has ${has}.`,
      });
    }
    return {
      kind: "image",
      source: `${locator.scheme}:${locator.location}`,
      digest: root.descriptor.digest,
      names: root.names,
      subjects: meant.map(({ node, platform }) =>
        node.kind === "manifest" ? describe(node, request) : absent(node, platform),
      ),
    };
  });
}

interface PlatformNode {
  readonly node: ManifestNode | Extract<ImageNode, { kind: "absent" }>;
  readonly platform: Platform | undefined;
}

/** The images under a node, those that are not there among them. Throws UNSUPPORTED_IMAGE when it is none itself. */
function imagesIn(node: ImageNode): readonly PlatformNode[] {
  switch (node.kind) {
    case "index":
      return node.children.flatMap((child) => (child.kind === "artifact" ? [] : imagesIn(child)));
    case "manifest":
      return [{ node, platform: platformOf(node) }];
    case "absent":
      return [{ node, platform: node.descriptor.platform }];
    case "attestation":
      return [];
    case "artifact":
      throw new InitwrapError("UNSUPPORTED_IMAGE", `not a container image: ${node.reason}`, {
        where: node.descriptor.digest,
      });
  }
}

const UNSET = { known: true, form: null, origin: { kind: "unset" } } as const;

function absent({ descriptor }: PlatformNode["node"], platform: Platform | undefined): Inspected {
  return {
    stage: null,
    platform: {
      name: platform ? formatPlatform(platform) : descriptor.digest,
      digest: descriptor.digest,
      present: false,
    },
    firstProcess: null,
    entrypoint: { ...UNSET, value: null, known: false },
    cmd: { ...UNSET, value: null, known: false },
    stopSignal: { ...UNSET, value: "", known: false },
    user: { ...UNSET, value: "", known: false },
    change: { action: "none", reason: "absent" },
    diagnostics: [],
  };
}

function describe(node: ManifestNode, request: CompleteInspectRequest): Inspected {
  // The plan checks that the config is one before it is read here.
  const { change, diagnostics } = changeOf(node, request);
  const config: NonNullable<ImageConfig["config"]> = node.config.value.config ?? {};
  const invocation: Invocation = { entrypoint: listIn(config.Entrypoint), cmd: listIn(config.Cmd) };
  const isLinux = !(change.action === "refused" && change.code === "NOT_LINUX");
  const command = (name: "entrypoint" | "cmd"): Setting<readonly string[] | null> => ({
    value: invocation[name],
    known: true,
    form: commandForm(invocation[name]),
    origin: configOrigin(node, name, invocation[name]),
  });
  const text = (name: "user" | "stopSignal", value: unknown): Setting<string> => {
    const known = typeof value === "string" ? value : "";
    return { value: known, known: true, form: null, origin: configOrigin(node, name, known) };
  };
  return {
    stage: null,
    platform: { name: formatPlatform(platformOf(node)), digest: node.descriptor.digest, present: true },
    firstProcess: isLinux ? firstProcess(invocation) : null,
    entrypoint: command("entrypoint"),
    cmd: command("cmd"),
    stopSignal: text("stopSignal", config.StopSignal),
    user: text("user", config.User),
    change,
    diagnostics: [...diagnostics, ...configFindings(node)],
  };
}

/** What `initwrap image` would do about one platform; each is planned alone, so that one refusal hides no other platform. */
function changeOf(
  node: ManifestNode,
  request: CompleteInspectRequest,
): { readonly change: Change; readonly diagnostics: Inspected["diagnostics"] } {
  try {
    const { platforms, diagnostics } = planImage(
      { root: node, names: [] },
      {
        action: "wrap",
        initFor: shippedInit,
        replaceInit: request.replaceInit,
        ...(request.force === undefined ? {} : { force: request.force }),
      },
    );
    const [plan] = platforms;
    if (plan?.action === "wrap" || plan?.action === "renew") {
      const { entrypoint, cmd } = plan.after;
      return { change: { action: plan.action, entrypoint, cmd }, diagnostics };
    }
    const reason = plan && decompose(plan.before) ? "already" : "existing-init";
    return { change: { action: "none", reason }, diagnostics };
  } catch (error) {
    if (!(error instanceof InitwrapError) || error.exit !== EXIT.refused) throw error;
    return { change: refusal(error), diagnostics: [] };
  }
}

/** A config that is refused may hold anything. */
function listIn(value: unknown): readonly string[] | null {
  return Array.isArray(value) && value.every((word) => typeof word === "string") ? value : null;
}
