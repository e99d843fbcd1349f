/** The entry of an image in index.json, when another image takes its place. */
import { describe, expect, it } from "vitest";
import { digestOf } from "../../../packages/cli/src/model/digest.ts";
import { removeMember } from "../../../packages/cli/src/model/json-edit.ts";
import { replaceInIndex } from "../../../packages/cli/src/store/oci-index.ts";

const OLD = Buffer.from("the manifest before");
const NEW = Buffer.from("the manifest after it");
const mediaType = "application/vnd.oci.image.manifest.v1+json";
const after = { mediaType, digest: digestOf(NEW), size: NEW.length };
const entry = (more: string) =>
  `{ "manifests": [ { "mediaType": "${mediaType}", "digest": "${digestOf(OLD)}", "size": ${OLD.length}${more} } ] }`;

describe("replaceInIndex", () => {
  it("keeps what else an entry says, and its bytes", () => {
    const more = `,\n "annotations": {"a" : "b"}, "x.y": [1,  2]`;
    const bytes = replaceInIndex(Buffer.from(entry(more)), digestOf(OLD), after, []);
    const text = entry(more).replace(digestOf(OLD), after.digest).replace(`${OLD.length},`, `${NEW.length},`);
    expect(Buffer.from(bytes).toString()).toBe(text);
  });

  it("leaves no copy of the old manifest in the entry", () => {
    const more = `, "data": "${OLD.toString("base64")}", "annotations": {"a": "b"}`;
    const bytes = replaceInIndex(Buffer.from(entry(more)), digestOf(OLD), after, []);
    const { manifests } = JSON.parse(Buffer.from(bytes).toString());
    expect(manifests).toEqual([{ ...after, annotations: { a: "b" } }]);
  });
});

describe("removeMember", () => {
  it.each([
    ["the first", '{ "a": 1, "b": 2 }', "a", '{ "b": 2 }'],
    ["one in the middle", '{ "a": 1, "b": 2, "c": 3 }', "b", '{ "a": 1, "c": 3 }'],
    ["the last", '{ "a": 1, "b": 2 }', "b", '{ "a": 1 }'],
    ["the only one", '{ "a": 1 }', "a", "{  }"],
  ])("takes %s away", (_, text, key, left) => {
    expect(removeMember(text, [key])).toBe(left);
  });
});
