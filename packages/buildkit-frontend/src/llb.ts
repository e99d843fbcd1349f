/**
 * The build's definition with the init on top: one file in an empty file system, merged over what was there.
 *
 * A definition is a list of marshalled operations that name each other by digest; the last one only points to the result.
 * Merging needs no file of the image, so that a base image that nobody needs is never fetched; where BuildKit cannot merge,
 * the file is written over the image.
 *
 * Source: github.com/moby/buildkit, solver/pb/ops.proto.
 */

import { INIT_PATH } from "../../cli/src/model/compose.ts";
import { digestOf } from "../../cli/src/model/digest.ts";
import type { Platform } from "../../cli/src/model/platform.ts";
import {
  allBytesOf,
  bytesField,
  decode,
  encode,
  type Field,
  mapFields,
  messageField,
  numberField,
  textField,
} from "./protobuf.ts";

/** Definition's fields. */
const DEF = 1;
const METADATA = 2;
/** Op's fields. */
const INPUTS = 1;
const FILE = 4;
const MERGE = 6;
const PLATFORM = 10;

export interface InitFile {
  /** The executable. */
  readonly bytes: Uint8Array;
  readonly platform: Platform;
  /** Whether BuildKit has the merge operation. */
  readonly canMerge: boolean;
}

/** `definition` (pb.Definition; undefined for an empty file system) with the init added as `/initwrap`. */
export function withInit(definition: Uint8Array | undefined, { bytes, platform, canMerge }: InitFile): Uint8Array {
  const fields = definition === undefined ? [] : decode(definition);
  const operations = allBytesOf(fields, DEF);
  const below =
    operations.length === 0 ? undefined : decode(operations.at(-1)!).find(({ number }) => number === INPUTS);
  const added: Uint8Array[] = [];
  const add = (operation: readonly Field[]): Field => {
    const marshalled = encode([...operation, messageField(PLATFORM, platformFields(platform))]);
    added.push(marshalled);
    return messageField(INPUTS, [textField(1, digestOf(marshalled))]);
  };
  const names: [string, Uint8Array][] = [];
  const name = (text: string): void => {
    const description = encode(mapFields(2, [["llb.customname", text]]));
    names.push([digestOf(added.at(-1)!), description]);
  };
  let top: Field;
  if (below === undefined || canMerge) {
    const file = add([mkfile(INIT, bytes, -1)]);
    name(`[initwrap] ${INIT_PATH}`);
    if (below === undefined) top = file;
    else {
      top = add([below, file, messageField(MERGE, [mergeInput(0), mergeInput(1)])]);
      name("[initwrap] merge");
    }
  } else {
    top = add([below, mkfile(INIT, bytes, 0)]);
    name(`[initwrap] ${INIT_PATH}`);
  }
  return encode([
    ...[...operations.slice(0, -1), ...added, encode([top])].map((operation) => bytesField(DEF, operation)),
    ...fields.filter(({ number }) => number !== DEF),
    ...mapFields(METADATA, names),
  ]);
}

/** The digest of the operation that gives the result; undefined for an empty definition. */
export function topOf(definition: Uint8Array): string | undefined {
  const last = allBytesOf(decode(definition), DEF).at(-2);
  return last === undefined ? undefined : digestOf(last);
}

/** A definition (pb.Definition) of a file system with one file in it and nothing else. */
export function soleFile(path: string, bytes: Uint8Array): Uint8Array {
  const file = encode([mkfile({ path, mode: 0o644 }, bytes, -1)]);
  const top = encode([messageField(INPUTS, [textField(1, digestOf(file))])]);
  return encode([
    bytesField(DEF, file),
    bytesField(DEF, top),
    ...mapFields(METADATA, [[digestOf(file), encode(mapFields(2, [["llb.customname", `[initwrap] ${path}`]]))]]),
  ]);
}

const INIT = { path: INIT_PATH, mode: 0o755 } as const;

/** FileOp with one FileActionMkFile; `input` is -1 for an empty file system. The time is 1970, as in the ready-packed layer. */
function mkfile(
  { path, mode }: { readonly path: string; readonly mode: number },
  bytes: Uint8Array,
  input: number,
): Field {
  const file = [textField(1, path), numberField(2, mode), bytesField(3, bytes)];
  const action = [numberField(1, input), numberField(2, -1), numberField(3, 0), messageField(5, file)];
  return messageField(FILE, [messageField(2, action)]);
}

function mergeInput(index: number): Field {
  return messageField(1, [numberField(1, index)]);
}

function platformFields({ architecture, os, variant }: Platform): readonly Field[] {
  return [textField(1, architecture), textField(2, os), ...(variant ? [textField(3, variant)] : [])];
}
