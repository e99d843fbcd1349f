/** `initwrap inspect`: what a Dockerfile or an image runs, why, and what would change. Reads, and writes nothing. */
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { InitwrapError } from "../model/errors.ts";
import type { Inspection } from "../model/inspection.ts";
import type { Platform } from "../model/platform.ts";
import { splitLocation } from "../store/location.ts";
import { schemeIn } from "../store/schemes.ts";
import type { DockerfileOptions } from "./dockerfile.ts";
import type { DockerfileRequest } from "./dockerfile-run.ts";

/** What is to be inspected, with everything said. */
export interface CompleteInspectRequest
  extends Pick<
      DockerfileRequest,
      "stdin" | "buildArgs" | "baseEntrypoint" | "baseCmd" | "baseConfig" | "env" | "signal"
    >,
    Pick<DockerfileOptions, "baseLayout" | "assumeBase" | "offline" | "lock" | "force"> {
  /** A Dockerfile, a folder that holds one, `-` for one on `stdin`, or an image's locator. */
  readonly subject: string;
  /** A stage's name or number; every stage that a build can name unless given. */
  readonly target?: string;
  /** Those of an image that are meant, or the one that a Dockerfile is built for. */
  readonly platforms: readonly Platform[];
  /** What would be done about another init, as `--replace-init` does it. */
  readonly replaceInit: boolean;
  readonly insecureRegistries: readonly string[];
}

/** Only the subject has to be said. The environment says where engines are; it is the process's own unless given. */
export type InspectRequest = Pick<CompleteInspectRequest, "subject"> & Partial<Omit<CompleteInspectRequest, "subject">>;

/** Inspects one Dockerfile or one image. Throws InitwrapError; that something is refused is part of the result. */
export async function inspect(given: InspectRequest): Promise<Inspection> {
  const request: CompleteInspectRequest = {
    stdin: process.stdin,
    platforms: [],
    replaceInit: false,
    buildArgs: [],
    insecureRegistries: [],
    env: process.env,
    signal: new AbortController().signal,
    ...given,
  };
  const file = await dockerfileOf(request.subject);
  if (file === undefined) {
    const { inspectImage } = await import("./inspect-image.ts");
    return inspectImage(request);
  }
  const { inspectDockerfile } = await import("./inspect-dockerfile.ts");
  return inspectDockerfile(file, request);
}

const FOLDER_NAMES = ["Dockerfile", "Containerfile"];

/**
 * The Dockerfile that is meant, or undefined for an image. What is there decides, and not how it is called: a folder with an
 * OCI layout in it is an image, one with a Dockerfile in it means that; a file that is an archive or compressed is an image.
 */
async function dockerfileOf(subject: string): Promise<string | undefined> {
  if (subject === "-") return "-";
  // A locator's scheme comes first, as everywhere; no locator has a scheme and exists, but for a file named like one.
  if (schemeIn(subject) !== undefined) return undefined;
  const facts = await stat(subject).catch(() => undefined);
  if (facts === undefined) {
    // `app.tar:name` and `folder:name` are images; anything else that is no path is a locator's affair as well.
    const { name } = await splitLocation(subject);
    if (name === undefined && looksLikeDockerfile(subject)) {
      throw new InitwrapError("INPUT_NOT_FOUND", `there is no file ${subject}`, {
        where: subject,
        hint: "Give a Dockerfile's path, a folder that holds one, or an image.",
      });
    }
    return undefined;
  }
  // What a pipe brings can be read once, by who uses it.
  if (!facts.isDirectory()) return facts.isFile() && (await isArchive(subject)) ? undefined : subject;
  if (await exists(join(subject, "oci-layout"))) return undefined;
  for (const name of FOLDER_NAMES) if (await exists(join(subject, name))) return join(subject, name);
  if (await exists(join(subject, "index.json"))) return undefined;
  throw new InitwrapError("INPUT_NOT_FOUND", `the folder ${subject} holds neither a Dockerfile nor an OCI layout`, {
    where: subject,
    hint: "Give the Dockerfile's path, if it has another name.",
  });
}

/** An image's name is lower-case; what is left is the name of a file that is not there. */
function looksLikeDockerfile(subject: string): boolean {
  return /(?:^|\/)(?:Docker|Container)file(?:\.[^/]*)?$|\.(?:docker|container)file$/i.test(subject);
}

const GZIP = Buffer.from([0x1f, 0x8b]);
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/** Compressed, or a tar. That a file is not text says nothing: a wrapped Dockerfile may carry the init's bytes. */
async function isArchive(path: string): Promise<boolean> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, "r");
  } catch {
    // What is wrong with it is said by who reads it.
    return false;
  }
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(512), 0, 512, 0);
    const head = buffer.subarray(0, bytesRead);
    const startsWith = (magic: Buffer) => head.subarray(0, magic.length).equals(magic);
    return startsWith(GZIP) || startsWith(ZSTD) || isTarHeader(head);
  } finally {
    await file.close();
  }
}

/** Where a tar's header has its checksum: the sum of its bytes, with those eight as blanks. Source: tar(5). */
const CHECKSUM = { start: 148, end: 156 };

function isTarHeader(head: Buffer): boolean {
  if (head.length < 512) return false;
  let sum = 0;
  for (const [at, byte] of head.entries()) sum += at >= CHECKSUM.start && at < CHECKSUM.end ? 0x20 : byte;
  const said = /^ *([0-7]+)[\0 ]/.exec(head.toString("latin1", CHECKSUM.start, CHECKSUM.end))?.[1];
  return said !== undefined && Number.parseInt(said, 8) === sum;
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
