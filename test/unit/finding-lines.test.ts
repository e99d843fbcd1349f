/** A finding in a file that is wrapped already names the file's own line. */
import { describe, expect, it } from "vitest";
import { toText } from "../../packages/cli/src/dockerfile/text.ts";
import { undoText } from "../../packages/cli/src/dockerfile/undo.ts";
import { wrapDockerfile } from "../../packages/cli/src/wrap/dockerfile.ts";
import { placeFindings } from "../../packages/cli/src/wrap/finding-lines.ts";

const SOURCE = [
  "FROM scratch AS one",
  "# about the second",
  "FROM scratch",
  "STOPSIGNAL KILL",
  "ENTRYPOINT run \\",
  "  --with this",
  "LABEL a=b",
  "",
].join("\n");

describe("lines of findings", () => {
  it.each(["inline", "context"] as const)("are those of the wrapped file (%s)", async (inject) => {
    const text = toText(await wrapDockerfile(SOURCE, { inject, platforms: ["linux/amd64"] }));
    const undone = undoText(text);
    if (undone.kind !== "undone") throw new Error("the file is not wrapped");
    const at = (line: number, endLine = line) => {
      const finding = { code: "STOPSIGNAL_KILL", severity: "note", args: {}, range: { line, endLine } } as const;
      return placeFindings([finding], undone.text, text)[0]?.range;
    };
    const lines = text.split("\n");
    const wrapped = (start: string) => lines.findIndex((line) => line.startsWith(start)) + 1;
    expect(at(1)?.line).toBe(1);
    expect(at(4)?.line).toBe(wrapped("STOPSIGNAL"));
    expect(at(5, 6)).toEqual({ line: wrapped("ENTRYPOINT ["), endLine: wrapped("ENTRYPOINT [") });
    expect(at(7)?.line).toBe(wrapped("LABEL"));
  });

  it("are untouched in a file that is not wrapped", () => {
    const finding = { code: "STOPSIGNAL_KILL", severity: "note", args: {}, range: { line: 4, endLine: 4 } } as const;
    expect(placeFindings([finding], SOURCE, SOURCE)).toEqual([finding]);
  });
});
