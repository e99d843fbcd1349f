/**
 * A list of images, one locator a line, and the names and places that templates make of each.
 *
 * The whole list is read and checked before the first image is touched: a line that cannot be read, a template that a
 * line has no field for, and two lines with one result are refused with the place, so that nothing is half-done.
 *
 * A name without a scheme is a registry's here. On the command line it is the local engine's first; but what a list does
 * must not depend on what the engine of the machine happens to hold.
 */
import { basename, resolve } from "node:path";
import { nearest } from "../model/did-you-mean.ts";
import { changed, InitwrapError } from "../model/errors.ts";
import { formatReference, parseReference, type Reference, referenceHint } from "../model/reference.ts";
import { splitLocation } from "../store/location.ts";
import { type Locator, parseLocator } from "../store/locator.ts";
import { PATH_SCHEMES } from "./image-moves.ts";
import { compileTemplate } from "./templates.ts";

/** One part of a list: number `index` (from 1) of `count`. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

export interface ImageListRequest {
  readonly text: string;
  /** The list's file, for messages. */
  readonly where: string;
  /** Handlebars templates of the results' names. */
  readonly names: readonly string[];
  /** Handlebars template of the place of the result: a locator. */
  readonly output?: string;
  /** The result goes to a registry under its names, or under its own when there are none. */
  readonly push: boolean;
  /** Only every `count`th line, from line `index` on. */
  readonly shard?: Shard;
}

export interface ListedImage {
  /** The line, from 1. */
  readonly line: number;
  /** As it is written there. */
  readonly text: string;
  /** With its scheme. */
  readonly source: string;
  readonly names: readonly string[];
  readonly output?: string;
  /** Images with the same key write to the same file or folder, and must not do so at the same time. */
  readonly place?: string;
}

/** What a template may name. A field that a line does not have is an error, not an empty text. */
type Fields = Readonly<Record<string, string>>;

/** Reads a list. Blank lines and lines that begin with `#` are passed over; an image that comes twice is meant once. */
export async function readImageList(request: ImageListRequest): Promise<readonly ListedImage[]> {
  const nameTemplates = request.names.map((text) => nameTemplate("--tag", text));
  const outputTemplate = request.output === undefined ? undefined : nameTemplate("--output", request.output);
  const images: ListedImage[] = [];
  const seen = new Set<string>();
  /** What the lines so far become, and which line does. */
  const results = new Map<string, number>();
  /** Every name at a registry that is written to, and by which line. */
  const written = new Map<string, number>();
  for (const [at, raw] of request.text.split(/\r?\n/).entries()) {
    const text = raw.trim();
    if (text === "" || text.startsWith("#")) continue;
    const place = `${request.where}:${at + 1}`;
    const locator = await locatorOf(text, place);
    const source = `${locator.scheme}:${locator.location}`;
    if (seen.has(source)) continue;
    seen.add(source);
    const fields = await fieldsOf(locator);
    const names = nameTemplates.map((template) => checkedName(template(fields, place), place));
    const output = outputTemplate?.(fields, place) ?? pushOutput(request, locator, names, place);
    checkTarget(locator, names, output, place);
    if (output === "-" || output?.endsWith("archive:-")) {
      throw new InitwrapError("USAGE", "--output -: standard output cannot hold the archives of a list", {
        where: place,
        hint: "Name a file for each, as in -o 'oci-archive:{{name}}.tar'.",
      });
    }
    const target = await parseLocator(output ?? source, "sink").catch((error: unknown) => {
      throw placed(error, place);
    });
    const image: ListedImage = {
      line: at + 1,
      text,
      source,
      names,
      ...(output === undefined ? {} : { output }),
      ...(PATH_SCHEMES.has(target.scheme) ? { place: resolve((await splitLocation(target.location)).path) } : {}),
    };
    refuseCollision(image, target, results, request.where);
    for (const name of namesAtRegistry(image, target)) written.set(name, image.line);
    images.push(image);
  }
  if (images.length === 0) {
    throw new InitwrapError("INPUT_UNREADABLE", "the list names no image", {
      where: request.where,
      hint: "Write one image a line.",
    });
  }
  for (const image of images) refuseReplaced(image, written, request.where);
  const { shard } = request;
  return shard ? images.filter((_, at) => at % shard.count === shard.index - 1) : images;
}

/** `3/10`. Throws USAGE. */
export function parseShard(text: string): Shard {
  const [, index, count] = /^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? [];
  const shard = { index: Number(index), count: Number(count) };
  if (shard.index >= 1 && shard.index <= shard.count) return shard;
  throw new InitwrapError("USAGE", `--shard: ${text} is no part of a whole`, {
    hint: "The third of ten is 3/10; the first is 1/10.",
  });
}

async function locatorOf(text: string, place: string): Promise<Locator> {
  if (/\s/.test(text)) {
    throw new InitwrapError("LOCATOR_INVALID", "a line holds one image and nothing else", {
      where: place,
      ...(/\s#/.test(text) ? { hint: "A comment has a line of its own." } : {}),
    });
  }
  if (text === "-") {
    throw new InitwrapError("LOCATOR_INVALID", "standard input cannot be one of several images", { where: place });
  }
  const found = await parseLocator(text, "source").catch((error: unknown) => {
    throw placed(error, place);
  });
  const locator = found.isBare ? { ...found, scheme: "registry", isBare: false } : found;
  if (locator.scheme !== "registry") return locator;
  // One spelling, so that the same image is seen to be the same.
  return { ...locator, location: formatReference(referenceOf(locator.location, place)) };
}

function referenceOf(text: string, place: string): Reference {
  const reference = parseReference(text.replace(/^\/\//, ""));
  if (reference) return reference;
  throw new InitwrapError("LOCATOR_INVALID", `${text} is no image reference`, {
    where: place,
    hint: referenceHint(text),
  });
}

async function fieldsOf(locator: Locator): Promise<Fields> {
  const { scheme, location } = locator;
  if (PATH_SCHEMES.has(scheme)) {
    const { path, name } = await splitLocation(location);
    // The whole path, for `..` would lead out of the folder that a template puts before the name.
    const stem = basename(resolve(path)).replace(/(\.tar)?(\.(gz|zst)|\.tgz|\.tzst)?$/, "");
    return { scheme, location, name: name === undefined ? stem : `${stem}-${name}`.replace(/[^\w.-]/g, "-") };
  }
  // Before the name of containers-storage: there may be the store, `[overlay@/root+/run]`.
  const reference = parseReference(location.replace(/^\[[^\]]*\]/, ""));
  if (!reference) return { scheme, location };
  const { registry, repository, digest } = reference;
  const tag = reference.tag ?? (digest === undefined ? "latest" : undefined);
  return {
    scheme,
    location,
    reference: formatReference(reference),
    registry,
    repository: `${registry}/${repository}`,
    path: repository,
    name: repository.slice(repository.lastIndexOf("/") + 1),
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest, hex: digest.slice(digest.indexOf(":") + 1) }),
  };
}

function nameTemplate(flag: string, source: string): (fields: Fields, place: string) => string {
  const render = compileTemplate<Fields>(source);
  return (fields, place) => {
    let isWhole = false;
    try {
      const text = render(
        withoutPrototype(fields, () => {
          isWhole = true;
        }),
      );
      if (isWhole) throw new TypeError("it names all fields at once");
      return text;
    } catch (cause) {
      const missing = /^"(.+)" not defined in /.exec((cause as Error).message)?.[1];
      if (missing === undefined) {
        throw new InitwrapError("TEMPLATE_INVALID", `${flag} ${source} cannot be read as a template`, {
          where: place,
          hint: "A field stands in two braces, as in '{{repository}}:{{tag}}-init'.",
          cause,
        });
      }
      const names = Object.keys(fields);
      const meant = nearest(missing, names);
      const list = names.join(", ");
      throw new InitwrapError(
        "TEMPLATE_INVALID",
        `${flag} ${source} needs ${missing}, which this image does not have`,
        {
          where: place,
          hint: meant === undefined ? `It has ${list}.` : `Did you mean {{${meant}}}? It has ${list}.`,
          cause,
        },
      );
    }
  };
}

/**
 * Without what every object inherits: `{{constructor}}` is a field that is not there. Handlebars puts the object into its
 * messages, for which it has to have a text; `whenNamed` is called for that, and for a template that names the whole.
 */
function withoutPrototype(fields: Fields, whenNamed: () => void): Fields {
  const value = (): string => {
    whenNamed();
    return "the image";
  };
  const bare: object = Object.defineProperty(Object.create(null), Symbol.toPrimitive, { value });
  return Object.assign(bare, fields);
}

function checkedName(name: string, place: string): string {
  const reference = parseReference(name);
  if (reference) return name;
  throw new InitwrapError(
    "LOCATOR_INVALID",
    `the result would be called ${JSON.stringify(name)}, which is no image reference`,
    {
      where: place,
      hint: `${referenceHint(name)} {{repository}} has the registry in it, {{path}} does not.`,
    },
  );
}

function pushOutput(
  request: ImageListRequest,
  locator: Locator,
  names: readonly string[],
  place: string,
): string | undefined {
  if (!request.push) return undefined;
  const name = names[0] ?? (PATH_SCHEMES.has(locator.scheme) ? undefined : locator.location);
  if (name !== undefined) return `registry:${name}`;
  throw new InitwrapError("TAG_REQUIRED", `${locator.location} has no name to be pushed under`, {
    where: place,
    hint: "Name the results with -t.",
  });
}

/** In a list nothing is replaced at a registry unless it was asked for in words. */
function checkTarget(locator: Locator, names: readonly string[], output: string | undefined, place: string): void {
  if (locator.scheme !== "registry" || output !== undefined || names.length > 0) return;
  throw new InitwrapError("TAG_REQUIRED", `nothing says where the wrapped ${locator.location} goes`, {
    where: place,
    hint: "Name the results, as in -t '{{repository}}:{{tag}}-init', or replace the tags with --push.",
  });
}

/** Two images under one name, or in one new archive: the later would replace the earlier. */
function refuseCollision(image: ListedImage, target: Locator, first: Map<string, number>, where: string): void {
  const results = image.names.map((name) => `${image.place ?? ""} ${formatReference(parseReference(name)!)}`.trim());
  // A new archive is written whole; anything else holds several images, each under its name.
  const isWhole = target.scheme === "oci-archive" || target.scheme === "docker-archive";
  if (image.output !== undefined && (image.names.length === 0 || isWhole)) results.push(image.output);
  for (const result of results) {
    const other = first.get(result);
    if (other !== undefined) {
      throw new InitwrapError("USAGE", `lines ${other} and ${image.line} would both become ${result}`, {
        where: `${where}:${image.line}`,
        hint: "Use fields in -t or -o that tell them apart, such as {{path}} and {{tag}}.",
      });
    }
  }
  for (const result of results) first.set(result, image.line);
}

/** In full, as `source` has them. */
function namesAtRegistry({ names }: ListedImage, target: Locator): readonly string[] {
  if (target.scheme !== "registry") return [];
  return (names.length > 0 ? names : [target.location]).flatMap((name) => {
    const reference = parseReference(name);
    return reference ? [formatReference(reference)] : [];
  });
}

/** An image that another line writes over: what comes of it would depend on which of the two is done first. */
function refuseReplaced(image: ListedImage, written: ReadonlyMap<string, number>, where: string): void {
  const name = image.source.replace(/^registry:/, "");
  const line = written.get(name);
  if (line === undefined || line === image.line || name === image.source) return;
  throw new InitwrapError("USAGE", `the result of line ${line} would replace this image, ${name}`, {
    where: `${where}:${image.line}`,
    hint: "Leave it out of the list when it is a result of an earlier run, or give the results other names.",
  });
}

/** The list's line is the place, whatever the failure said. */
function placed(error: unknown, place: string): unknown {
  return error instanceof InitwrapError ? changed(error, { where: place }) : error;
}
