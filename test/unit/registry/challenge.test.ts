import { describe, expect, it } from "vitest";
import { parseChallenges } from "../../../packages/cli/src/store/registry/challenge.ts";

function plain(header: string | readonly string[] | undefined): unknown {
  return parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
}

describe("WWW-Authenticate", () => {
  it.each([
    [undefined, []],
    ["", []],
    ["Basic", [["basic", {}]]],
    ['Basic realm="a registry"', [["basic", { realm: "a registry" }]]],
    [
      'Bearer realm="https://auth.example/token",service="r.example",scope="repository:a/b:pull,push repository:c:pull"',
      [
        [
          "bearer",
          {
            realm: "https://auth.example/token",
            service: "r.example",
            scope: "repository:a/b:pull,push repository:c:pull",
          },
        ],
      ],
    ],
    ["Bearer realm=https://x/t , service=y", [["bearer", { realm: "https://x/t", service: "y" }]]],
    [
      'Negotiate, Basic realm="x", Bearer realm="y"',
      [
        ["negotiate", {}],
        ["basic", { realm: "x" }],
        ["bearer", { realm: "y" }],
      ],
    ],
    ['Bearer realm="a\\"b\\\\c"', [["bearer", { realm: 'a"b\\c' }]]],
    ['Bearer realm="first",realm="second"', [["bearer", { realm: "first" }]]],
    ['BEARER Realm="x"', [["bearer", { realm: "x" }]]],
    ['Bearer realm="no end', [["bearer", {}]]],
    ['realm="no scheme"', []],
    ['"quoted"', []],
  ])("%s", (header, expected) => {
    expect(plain(header)).toEqual(expected);
  });

  it("may come in several headers", () => {
    expect(plain(["Basic realm=a", "Bearer realm=b"])).toEqual([
      ["basic", { realm: "a" }],
      ["bearer", { realm: "b" }],
    ]);
  });

  it("of any length is read in no time", () => {
    const started = performance.now();
    parseChallenges(`Bearer ${'realm="'.repeat(100_000)}`);
    parseChallenges(`${" ,".repeat(100_000)}Basic`);
    parseChallenges("\\".repeat(100_000));
    expect(performance.now() - started).toBeLessThan(200);
  });
});
