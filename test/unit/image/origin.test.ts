/** Which entry of a history set a field, in the words of each builder. */
import { describe, expect, it } from "vitest";
import { configOrigin } from "../../../packages/cli/src/image/origin.ts";
import type { ManifestNode } from "../../../packages/cli/src/image/snapshot.ts";

function node(history: unknown): ManifestNode {
  const value = { os: "linux", architecture: "amd64", rootfs: { type: "layers" }, history };
  return { config: { value, bytes: Buffer.from(JSON.stringify(value)) } } as unknown as ManifestNode;
}

const entries = (...lines: string[]) => lines.map((created_by) => ({ created_by, created: "2024-01-01T00:00:00Z" }));

describe("the history entry", () => {
  it.each([
    ["BuildKit", 'CMD ["a" "b c"]'],
    ["the classic builder", '/bin/sh -c #(nop)  CMD ["a" "b c"]'],
    ["buildah", '/bin/sh -c #(nop) CMD ["a","b c"]'],
  ])("is found as %s writes it", (_, line) => {
    const history = entries("ADD x /", 'CMD ["old"]', line, "LABEL a=b");
    expect(configOrigin(node(history), "cmd", ["a", "b c"])).toEqual({
      kind: "history",
      entry: 3,
      entries: 4,
      createdBy: line,
      created: "2024-01-01T00:00:00Z",
    });
  });

  it("is read as Go quotes strings", () => {
    const line = String.raw`CMD ["/bin/sh" "-c" "echo \"x\" \\ \t \a \x7f \u00e9 \U0001f600"]`;
    expect(configOrigin(node(entries(line)), "cmd", ["/bin/sh", "-c", 'echo "x" \\ \t \x07 \x7f é 😀'])).toMatchObject({
      kind: "history",
    });
  });

  it.each([
    ["user", "USER node", "node"],
    ["stopSignal", "STOPSIGNAL SIGQUIT", "SIGQUIT"],
    ["stopSignal", "/bin/sh -c #(nop)  STOPSIGNAL SIGQUIT", "SIGQUIT"],
  ] as const)("of %s is found", (field, line, value) => {
    expect(configOrigin(node(entries(line)), field, value)).toMatchObject({ kind: "history", entry: 1 });
  });

  it.each([
    ["the last one says something else", entries('CMD ["a"]', 'CMD ["b"]')],
    ["there is none", entries("RUN CMD", 'CMDX ["a"]')],
    ["there is no history", null],
    ["the history is no list", { 0: "x" }],
    ["its entries are nothing", [null, 3, {}, { created_by: 4 }]],
  ])("is not claimed when %s", (_, history) => {
    expect(configOrigin(node(history), "cmd", ["a"])).toEqual({ kind: "config", field: "config.Cmd" });
  });

  it("is not looked for when nothing is set", () => {
    expect(configOrigin(node(entries('CMD ["a"]')), "cmd", null)).toEqual({ kind: "unset" });
    expect(configOrigin(node(entries("USER x")), "user", "")).toEqual({ kind: "unset" });
  });
});
