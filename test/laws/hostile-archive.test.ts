/**
 * Archives and layouts that are damaged at random: each is wrapped, or refused with a code and left as it was. Whatever comes out is read
 * again. INITWRAP_NIGHTLY makes it many more.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { InitwrapError } from "../../packages/cli/src/model/errors.ts";
import { wrapImage } from "../../packages/cli/src/wrap/image.ts";
import { legacyArchive, type SampleImage, sampleImage, sampleIndex, tarOf } from "../contract/sample-image.ts";

const RUNS = process.env["INITWRAP_NIGHTLY"] ? 5000 : 100;
const BLOCK = 512;

let folder: string;
let count = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "initwrap-damaged-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MARKER = ["oci-layout", '{"imageLayoutVersion":"1.0.0"}'] as const;
const filesOf = ({ root, blobs }: SampleImage): (readonly [string, string | Uint8Array])[] => [
  ...blobs.map(({ descriptor, bytes }) => [`blobs/sha256/${descriptor.digest.slice(7)}`, bytes] as const),
  MARKER,
  ["index.json", JSON.stringify({ schemaVersion: 2, manifests: [root] })],
];
const tars = [tarOf([["file-0", "hello\n"]]), tarOf([["file-1", "world\n"]])];
const WHOLE = [
  tarOf(filesOf(sampleImage())),
  tarOf(filesOf(sampleIndex())),
  legacyArchive(sampleImage(), ["sample:1"], tars),
];

/** Pieces that mean something to a reader of headers or of JSON. */
const PIECES = [
  "{",
  "}",
  "[",
  "]",
  ",",
  '"',
  "null",
  "-1",
  "1e400",
  "\\u0000",
  "../",
  "/",
  "\0",
  "\x80",
  "\xff",
  "01",
  "x",
  "g",
  "L",
];

type Damage = (bytes: Buffer) => Buffer;
const place = fc.double({ min: 0, max: 1, noNaN: true });
const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.tuple(place, fc.nat(255)).map(
    ([at, value]): Damage =>
      (bytes) => {
        const changed = Buffer.from(bytes);
        changed[Math.floor(at * (bytes.length - 1))] = value;
        return changed;
      },
  ),
  fc.tuple(place, fc.constantFrom(...PIECES), fc.boolean()).map(
    ([at, piece, isMore]): Damage =>
      (bytes) => {
        const from = Math.floor(at * bytes.length);
        return Buffer.concat([
          bytes.subarray(0, from),
          Buffer.from(piece, "latin1"),
          bytes.subarray(isMore ? from : from + piece.length),
        ]);
      },
  ),
  fc.tuple(place, place, fc.integer({ min: 1, max: 4 })).map(
    ([at, to, length]): Damage =>
      (bytes) => {
        const blocks = Math.floor(bytes.length / BLOCK);
        const [from, into] = [at, to].map((one) => Math.floor(one * blocks) * BLOCK) as [number, number];
        return Buffer.concat([
          bytes.subarray(0, into),
          bytes.subarray(from, from + length * BLOCK),
          bytes.subarray(into),
        ]);
      },
  ),
  fc.tuple(place, fc.integer({ min: 1, max: 4 })).map(
    ([at, length]): Damage =>
      (bytes) => {
        const from = Math.floor((at * bytes.length) / BLOCK) * BLOCK;
        return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + length * BLOCK)]);
      },
  ),
  place.map(
    (at): Damage =>
      (bytes) =>
        bytes.subarray(0, Math.floor(at * bytes.length)),
  ),
);

const withMoreEnd: Damage = (bytes) => Buffer.concat([bytes, Buffer.alloc(BLOCK)]);

/** The archive with sums that fit the headers again: else nearly all damage is found there. */
function summed(bytes: Buffer): Buffer {
  const all = Buffer.from(bytes);
  for (let at = 0; at + BLOCK <= all.length; at += BLOCK) {
    if (all.toString("latin1", at + 257, at + 262) !== "ustar") continue;
    all.write("        ", at + 148, "latin1");
    const sum = all.subarray(at, at + BLOCK).reduce((total, byte) => total + byte, 0);
    all.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
  }
  return all;
}

/** The failure; undefined when it is done. Anything but a coded failure is a fault. */
async function wrapped(source: string): Promise<InitwrapError | undefined> {
  try {
    await wrapImage({ source, env: {} });
    return undefined;
  } catch (cause) {
    if (!(cause instanceof InitwrapError) || cause.code === "PROOF_FAILED") throw cause;
    return cause;
  }
}

it("an archive is wrapped, or refused as it is", { timeout: 3_600_000 }, async () => {
  let done = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...WHOLE),
      fc.array(damage, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      async (whole, damages, isSummed) => {
        const path = join(folder, `${count++}.tar`);
        const damaged = damages.reduce((bytes, one) => one(bytes), whole);
        const bytes = isSummed ? summed(damaged) : damaged;
        writeFileSync(path, bytes);
        const failure = await wrapped(path);
        if (failure) expect(readFileSync(path).equals(bytes)).toBe(true);
        else {
          done++;
          expect((await wrapImage({ source: path, env: {} })).plan.changed).toBe(false);
        }
        expect(readdirSync(folder)).toEqual([`${count - 1}.tar`]);
        rmSync(path);
      },
    ),
    // Hardly any of a hundred at random is still an archive: these are, with more of the zeros that end one.
    { numRuns: RUNS, examples: WHOLE.map((whole) => [whole, [withMoreEnd], false]) },
  );
  // Were all refused, what follows a refusal would be all that was tested.
  expect(done).toBeGreaterThan(0);
});

it("a layout is wrapped, or refused as it is", { timeout: 3_600_000 }, async () => {
  const layouts = [filesOf(sampleImage()), filesOf(sampleIndex())];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...layouts),
      fc.array(fc.tuple(fc.nat(), damage), { minLength: 1, maxLength: 3 }),
      async (files, damages) => {
        const path = join(folder, String(count++));
        mkdirSync(join(path, "blobs/sha256"), { recursive: true });
        const all = files.map(([name, content]) => [name, Buffer.from(content)] as [string, Buffer]);
        for (const [at, one] of damages) {
          // Half of it in the one file that nothing vouches for.
          const file = all[at % 2 === 0 ? all.length - 1 : at % all.length]!;
          file[1] = one(file[1]);
        }
        for (const [name, bytes] of all) writeFileSync(join(path, name), bytes);
        const failure = await wrapped(`oci:${path}`);
        const now = readdirSync(path, { recursive: true, encoding: "utf8" });
        expect(now.filter((name) => /initwrap/.test(name))).toEqual([]);
        if (failure) {
          for (const [name, bytes] of all) expect(readFileSync(join(path, name)).equals(bytes)).toBe(true);
          expect(now).toHaveLength(all.length + 2);
        } else expect((await wrapImage({ source: `oci:${path}`, env: {} })).plan.changed).toBe(false);
        rmSync(path, { recursive: true });
      },
    ),
    { numRuns: RUNS },
  );
});
