/** A build as BuildKit sees it: the frontend's own process against a gateway that a test writes. No engine. */
import { initFor } from "@initwrap/init-core";
import { describe, expect, it } from "vitest";
import {
  allBytesOf,
  bytesField,
  bytesOf,
  decode,
  encode,
  type Message,
  mapFields,
  mapOf,
  messageField,
  numberField,
  numberOf,
  textField,
  textOf,
} from "../../../packages/buildkit-frontend/src/protobuf.ts";
import { digestOf } from "../../../packages/cli/src/model/digest.ts";
import { initwrap } from "../../support/cli.ts";
import { type Refusal, resultIn, runFrontend } from "../../support/fake-gateway.ts";

const configOf = (architecture: string, config: object = { Entrypoint: ["/app"], Cmd: ["x"] }, os = "linux") =>
  `{"architecture":"${architecture}","config":${JSON.stringify(config)},"history":[{"created_by":"COPY"}],"os":"${os}"}`;

/** pb.Definition of one source operation, and the operation that points to it. */
const BASE = encode([messageField(3, [textField(1, "docker-image://base")])]);
const DEFINITION = encode([
  bytesField(1, BASE),
  bytesField(1, encode([messageField(1, [textField(1, digestOf(BASE))])])),
  ...mapFields(2, [[digestOf(BASE), encode([numberField(1, true)])]]),
  messageField(3, [textField(9, "the source map")]),
]);

const refOf = (id: string, definition?: Uint8Array): Message => [
  ...(id === "" ? [] : [textField(1, id)]),
  ...(definition === undefined ? [] : [bytesField(2, definition)]),
];
const single = (config: string, more: Message = []): Message => [
  messageField(3, refOf("dockerfile", DEFINITION)),
  ...mapFields(10, [["containerimage.config", config]]),
  ...more,
];
const SOLVED: Message = [messageField(3, refOf("wrapped"))];
const dockerfile = (result: Message | Refusal) => (_request: Message, index: number) => (index === 0 ? result : SOLVED);
const configIn = (returned: Message | undefined, key = "containerimage.config") =>
  JSON.parse(Buffer.from(mapOf(resultIn(returned), 10).get(key) ?? "").toString());
const refIn = (returned: Message | undefined) => textOf(decode(bytesOf(resultIn(returned), 3) ?? new Uint8Array()), 1);
const statusIn = (returned: Message | undefined) => decode(bytesOf(returned ?? [], 2) ?? new Uint8Array());

describe("a build through the frontend", () => {
  it("puts one file on top by a merge, and the init in front; every other byte of the config stays", async () => {
    const plain = configOf("amd64");
    const { calls, returned, exitCode, stderr } = await runFrontend({ solve: dockerfile(single(plain)) });
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect(calls.map(({ method }) => method)).toEqual(["Ping", "Inputs", "Solve", "Solve", "Return"]);
    const config = Buffer.from(mapOf(resultIn(returned), 10).get("containerimage.config")!).toString();
    const { version } = initFor({ os: "linux", architecture: "amd64" });
    expect(config).toBe(
      plain
        .replace('["/app"]', '["/initwrap","--","/app"]')
        .replace(
          '[{"created_by":"COPY"}]',
          `[{"created_by":"COPY"},{"created_by":"initwrap ${version}: /initwrap -- in front of the entrypoint"}]`,
        ),
    );
    expect(refIn(returned)).toBe("wrapped");

    const definition = decode(bytesOf(calls[3]!.message, 1)!);
    const operations = allBytesOf(definition, 1);
    expect(operations).toHaveLength(4);
    expect(operations[0]).toEqual(Buffer.from(BASE));
    const digests = operations.map(digestOf);
    const inputs = (operation: Uint8Array) => allBytesOf(decode(operation), 1).map((input) => textOf(decode(input), 1));
    expect(inputs(operations[1]!)).toEqual([]);
    expect(inputs(operations[2]!)).toEqual([digests[0], digests[1]]);
    expect(inputs(operations[3]!)).toEqual([digests[2]]);
    const action = decode(bytesOf(decode(bytesOf(decode(operations[1]!), 4)!), 2)!);
    const file = decode(bytesOf(action, 5)!);
    expect([textOf(file, 1), numberOf(file, 2), numberOf(file, 5)]).toEqual(["/initwrap", 0o755n, 0n]);
    expect(Buffer.from(bytesOf(file, 3)!).equals(initFor({ os: "linux", architecture: "amd64" }).bytes())).toBe(true);
    // What was said of the build's own operations is said still: cache rules, and where each came from.
    expect(mapOf(definition, 2).get(digests[0]!)).toEqual(Buffer.from(encode([numberField(1, true)])));
    expect(bytesOf(definition, 3)).toEqual(Buffer.from(encode([textField(9, "the source map")])));
  });

  it("writes the file over the image where BuildKit cannot merge, and alone where the image is empty", async () => {
    const noMerge = await runFrontend({ solve: dockerfile(single(configOf("arm64"))), capabilities: { llb: [] } });
    const operations = allBytesOf(decode(bytesOf(noMerge.calls[3]!.message, 1)!), 1);
    expect(operations).toHaveLength(3);
    expect(numberOf(decode(bytesOf(decode(bytesOf(decode(operations[1]!), 4)!), 2)!), 1)).toBe(0n);
    const empty = [...mapFields(10, [["containerimage.config", configOf("amd64", { Cmd: ["x"] })]])];
    const scratch = await runFrontend({ solve: dockerfile(empty) });
    expect(allBytesOf(decode(bytesOf(scratch.calls[3]!.message, 1)!), 1)).toHaveLength(2);
    expect(configIn(scratch.returned).config).toEqual({ Cmd: ["x"], Entrypoint: ["/initwrap", "--"] });
    expect(refIn(scratch.returned)).toBe("wrapped");
  });

  it("works behind the launcher, which has begun the connection", async () => {
    const { returned, exitCode } = await runFrontend({ launcher: true, solve: dockerfile(single(configOf("amd64"))) });
    expect([exitCode, refIn(returned)]).toEqual([0, "wrapped"]);
  });

  it("moves definitions that are larger than any window, over pipes that do not wait", async () => {
    const large = encode([...decode(DEFINITION), textField(9, "x".repeat(3_000_000))]);
    const result = single(configOf("amd64")).with(0, messageField(3, refOf("dockerfile", large)));
    const { calls, returned, exitCode } = await runFrontend({
      launcher: true,
      nonblocking: true,
      solve: dockerfile(result),
    });
    expect([exitCode, refIn(returned)]).toEqual([0, "wrapped"]);
    expect(textOf(decode(bytesOf(calls[3]!.message, 1)!), 9)).toHaveLength(3_000_000);
  });

  it("builds without inputs where BuildKit does not know the call", async () => {
    const { returned, exitCode } = await runFrontend({
      unknown: ["Inputs"],
      solve: dockerfile(single(configOf("amd64"))),
    });
    expect([exitCode, refIn(returned)]).toEqual([0, "wrapped"]);
  });

  it("gives each platform its own init, and passes on what it does not know", async () => {
    const platforms = ["linux/amd64", "linux/arm64"];
    const result: Message = [
      messageField(
        4,
        mapFields(
          1,
          platforms.map((key) => [key, encode(refOf(key, DEFINITION))] as const),
        ),
      ),
      ...mapFields(10, [
        ...platforms.map((key) => [`containerimage.config/${key}`, configOf(key.slice(6))] as const),
        ["refs.platforms", "{}"],
      ]),
      ...mapFields(12, [["linux/amd64", encode([messageField(1, [textField(4, "sbom.json")])])]]),
      textField(99, "of a later BuildKit"),
    ];
    const { calls, returned } = await runFrontend({
      solve: (request, index) => {
        if (index === 0) return result;
        const file = bytesOf(request, 1)!;
        const { bytes } = initFor({ os: "linux", architecture: "arm64" });
        return [messageField(3, refOf(Buffer.from(file).includes(bytes()) ? "with arm64's" : "with amd64's"))];
      },
    });
    const back = resultIn(returned);
    const refs = mapOf(decode(bytesOf(back, 4)!), 1);
    expect([...refs].map(([key, ref]) => [key, textOf(decode(ref), 1)])).toEqual([
      ["linux/amd64", "with amd64's"],
      ["linux/arm64", "with arm64's"],
    ]);
    for (const key of platforms) {
      expect(configIn(returned, `containerimage.config/${key}`).config.Entrypoint).toEqual(["/initwrap", "--", "/app"]);
    }
    expect(mapOf(back, 10).get("refs.platforms")?.toString()).toBe("{}");
    expect(bytesOf(back, 12)).toEqual(Buffer.from(bytesOf(result, 12)!));
    expect(textOf(back, 99)).toBe("of a later BuildKit");
    expect(calls.filter(({ method }) => method === "Solve")).toHaveLength(3);
  });

  it("leaves what has an init, is for Windows, or was not asked for, and says so", async () => {
    for (const [config, options, warning] of [
      [configOf("amd64", { Entrypoint: ["/sbin/tini", "--"], Cmd: ["x"] }), {}, "EXISTING_INIT"],
      [configOf("amd64", { Entrypoint: ["cmd"] }, "windows"), {}, "PLATFORM_LEFT_ALONE"],
      [configOf("amd64"), { "build-arg:INITWRAP_PLATFORMS": "linux/arm64" }, undefined],
      [configOf("amd64", { Entrypoint: ["/initwrap", "--", "/app"] }), {}, undefined],
    ] as const) {
      const file = initFor({ os: "linux", architecture: "amd64" }).bytes();
      const { calls, returned, exitCode } = await runFrontend({ options, file, solve: dockerfile(single(config)) });
      expect(exitCode).toBe(0);
      expect(JSON.stringify(configIn(returned))).toBe(config);
      expect(refIn(returned)).toBe("dockerfile");
      const warnings = calls.filter(({ method }) => method === "Warn").map(({ message }) => message);
      expect(warnings.map((one) => textOf(one, 3))).toEqual(warning ? [expect.stringContaining(`[${warning}]`)] : []);
      for (const one of warnings) expect(textOf(one, 1)).toBe(digestOf(BASE));
    }
  });

  it("renews the init of another release, and puts one where there is none", async () => {
    const { bytes, version } = initFor({ os: "linux", architecture: "amd64" });
    const plain = configOf("amd64", { Entrypoint: ["/initwrap", "--", "/app"], Cmd: ["x"] });
    for (const file of [Buffer.from("of another release"), Buffer.concat([bytes(), Buffer.of(0)]), undefined]) {
      const { returned, exitCode } = await runFrontend({
        ...(file === undefined ? {} : { file }),
        solve: dockerfile(single(plain)),
      });
      expect([exitCode, refIn(returned)]).toEqual([0, "wrapped"]);
      const config = Buffer.from(mapOf(resultIn(returned), 10).get("containerimage.config")!).toString();
      const entry = `,{"created_by":"initwrap ${version}: /initwrap renewed"}`;
      expect(config).toBe(plain.replace('{"created_by":"COPY"}', (copied) => copied + entry));
    }
  });

  it("adds the init to an SBOM that there is, platform by platform, and makes none of its own", async () => {
    const spdx = "https://spdx.dev/Document";
    const scan = (type: string) => messageField(1, [numberField(1, 1), textField(5, type)]);
    const attested = (key: string, type: string) => mapFields(12, [[key, encode([scan(type)])]]);
    const plain = single(configOf("arm64"), attested("linux/arm64", spdx));
    const { calls, returned } = await runFrontend({
      options: { "build-arg:SOURCE_DATE_EPOCH": "86400" },
      solve: (_, index) => [plain, SOLVED, [messageField(3, refOf("the document"))]][index]!,
    });
    const [scanned, own, ...others] = allBytesOf(
      decode(mapOf(resultIn(returned), 12).get("linux/arm64") ?? new Uint8Array()),
      1,
    );
    expect(others).toEqual([]);
    expect(scanned).toEqual(Buffer.from(bytesOf(decode(encode([scan(spdx)])), 1)!));
    const attestation = decode(own!);
    expect([numberOf(attestation, 1), textOf(attestation, 5)]).toEqual([0n, spdx]);
    expect(textOf(decode(bytesOf(attestation, 3)!), 1)).toBe("the document");
    expect(allBytesOf(attestation, 6)).toHaveLength(1);
    const made = allBytesOf(decode(bytesOf(calls.filter(({ method }) => method === "Solve")[2]!.message, 1)!), 1);
    const file = decode(bytesOf(decode(bytesOf(decode(bytesOf(decode(made[0]!), 4)!), 2)!), 5)!);
    expect(textOf(file, 1)).toBe(textOf(attestation, 4));
    const document = JSON.parse(textOf(file, 3));
    const init = initFor({ os: "linux", architecture: "arm64" });
    expect(document.creationInfo.created).toBe("1970-01-02T00:00:00Z");
    expect(document.packages).toMatchObject([
      {
        name: "initwrap",
        versionInfo: init.version,
        licenseDeclared: "MIT",
        checksums: [{ algorithm: "SHA256", checksumValue: init.sha256 }],
      },
    ]);

    const other = single(configOf("arm64"), attested("linux/arm64", "https://example.com/other"));
    const untouched = await runFrontend({ solve: dockerfile(other) });
    expect(mapOf(resultIn(untouched.returned), 12)).toEqual(mapOf(other, 12));
    expect(untouched.calls.filter(({ method }) => method === "Solve")).toHaveLength(2);
  });

  it("refuses, with code and platform, what may not be wrapped", async () => {
    for (const [config, code] of [
      [configOf("amd64", { Entrypoint: ["/init"] }), "MUST_BE_PID1"],
      [configOf("amd64", { Entrypoint: ["supervisord"] }), "MUST_BE_PID1"],
      [configOf("amd64", { Entrypoint: ["/initwrap"] }), "PATH_TAKEN"],
      [configOf("pdp11"), "NO_INIT_FOR_PLATFORM"],
    ] as const) {
      const { returned, exitCode } = await runFrontend({ solve: dockerfile(single(config)) });
      expect(exitCode).toBe(0);
      expect(textOf(statusIn(returned), 2)).toMatch(new RegExp(`^initwrap: linux/(amd64|pdp11): .*\\[${code}\\]`));
      expect(bytesOf(returned!, 1)).toBeUndefined();
    }
  });

  it("goes in front of supervisord when forced", async () => {
    const config = configOf("amd64", { Entrypoint: ["supervisord", "-n"] });
    const options = { "build-arg:INITWRAP_FORCE": "1" };
    const { returned } = await runFrontend({ options, solve: dockerfile(single(config)) });
    expect(configIn(returned)).toMatchObject({ config: { Entrypoint: ["/initwrap", "--", "supervisord", "-n"] } });
  });

  it("passes an error on with its details, byte for byte", async () => {
    const details = encode([
      numberField(1, 2),
      textField(2, "dockerfile parse error"),
      messageField(3, [textField(1, "é")]),
    ]);
    const refused = await runFrontend({ solve: dockerfile({ code: 2, text: "dockerfile parse error", details }) });
    expect(bytesOf(refused.returned!, 2)).toEqual(Buffer.from(details));
    const bare = await runFrontend({ solve: dockerfile({ code: 5, text: "100 % é" }) });
    expect([numberOf(statusIn(bare.returned), 1), textOf(statusIn(bare.returned), 2)]).toEqual([5n, "100 % é"]);
  });

  it("ends with an error when the connection breaks", async () => {
    const { exitCode, stderr } = await runFrontend({ hangUpAt: "Solve", solve: dockerfile(SOLVED) });
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^initwrap: the connection to BuildKit broke: /);
  });
});

describe("what is handed to the frontend that reads the Dockerfile", () => {
  const given = async (options: Record<string, string>) => {
    const run = await runFrontend({ options, solve: dockerfile(single(configOf("amd64"))) });
    const solve = run.calls.find(({ method }) => method === "Solve")?.message ?? [];
    const text = (map: Map<string, Uint8Array>) =>
      Object.fromEntries([...map].map(([key, value]) => [key, value.toString()]));
    return { ...run, frontend: textOf(solve, 2), options: text(mapOf(solve, 3)) };
  };

  it("keeps all options; the syntax line's only unless it was overridden by BUILDKIT_SYNTAX", async () => {
    const line = await given({ cmdline: "r/f:1", source: "r/f:1", target: "t", "build-arg:A": "b=c" });
    expect(line.frontend).toBe("dockerfile.v0");
    expect(line.options).toEqual({ cmdline: "r/f:1", source: "r/f:1", target: "t", "build-arg:A": "b=c" });
    const argument = await given({
      cmdline: "r/f:1",
      source: "r/f:1",
      "build-arg:BUILDKIT_SYNTAX": "r/f:1",
      target: "t",
    });
    expect(argument.options).toEqual({ target: "t" });
  });

  it("takes ours out, wherever they are, build arguments first", async () => {
    const line = await given({ cmdline: 'r/f:1 init="-g --grace=5s" upstream=docker/dockerfile:1', source: "r/f:1" });
    expect(line.frontend).toBe("gateway.v0");
    expect(line.options).toEqual({ source: "docker/dockerfile:1", cmdline: "docker/dockerfile:1" });
    expect(configIn(line.returned).config.Entrypoint).toEqual(["/initwrap", "-g", "--grace=5s", "--", "/app"]);
    const both = await given({ cmdline: "r/f:1 init=-g", "build-arg:INITWRAP_INIT": "-v" });
    expect(configIn(both.returned).config.Entrypoint).toEqual(["/initwrap", "-v", "--", "/app"]);
    expect(both.options).toEqual({ cmdline: "r/f:1 init=-g" });
  });

  it("refuses a setting that it does not know", async () => {
    const { returned, calls } = await given({ cmdline: "r/f:1 inti=-g" });
    expect(textOf(statusIn(returned), 2)).toMatch(/inti=-g.*\[USAGE\]/);
    expect(calls.map(({ method }) => method)).toEqual(["Return"]);
  });

  it("refuses options that the init does not take, in the words of the command line, before anything is built", async () => {
    for (const [options, message] of [
      ["--grcae=5s", /the init does not take these options: .*--grcae.*\[USAGE\]/],
      ["-v -- -g", /-- ends the init's options and is added anyway \[USAGE\]/],
      ["--version", /with these options the init shows its version and starts nothing \[USAGE\]/],
      ["-g /bin/app", /the init takes \/bin\/app for the program, not for an option \[USAGE\]/],
      ["--grace=soon", /the init does not take these options: .*soon.*\[USAGE\]/],
    ] as const) {
      const { returned, calls } = await given({ "build-arg:INITWRAP_INIT": options });
      const text = textOf(statusIn(returned), 2);
      expect(text).toMatch(message);
      expect(calls.map(({ method }) => method)).toEqual(["Return"]);
      // The command line's words are the same.
      const image = ["image", "absent.tar", ...options.split(" ").map((word) => `--init-arg=${word}`)];
      const { status, stderr } = await initwrap(image);
      expect(status).toBe(2);
      expect(stderr).toContain(text.slice("initwrap: ".length, text.indexOf(" [USAGE]")));
    }
    const other = await given({ "build-arg:INITWRAP_INIT": "-v -- -g", requestid: "frontend.lint" });
    expect(other.calls.map(({ method }) => method)).toContain("Solve");
  });

  it("passes a query on, and its answer back, unwrapped", async () => {
    const answered = [...mapFields(10, [["result.txt", "no warnings"]]), textField(99, "x")];
    const { calls, returned } = await runFrontend({
      options: { requestid: "frontend.lint", cmdline: "r/f:1" },
      solve: dockerfile(answered),
    });
    expect(calls.map(({ method }) => method)).toEqual(["Ping", "Inputs", "Solve", "Return"]);
    expect(bytesOf(returned!, 1)).toEqual(Buffer.from(encode(answered)));
  });

  it("takes layers from the same caches", async () => {
    const imports = '[{"Type":"registry","Attrs":{"ref":"r/cache:1"}}]';
    const { calls } = await given({ "cache-imports": imports });
    const [first, second] = calls
      .filter(({ method }) => method === "Solve")
      .map(({ message }) => allBytesOf(message, 12));
    expect(second).toHaveLength(1);
    expect(second).toEqual(first);
    expect(textOf(decode(second![0]!), 1)).toBe("registry");
  });

  it("dates the history entry as SOURCE_DATE_EPOCH says", async () => {
    const { returned } = await given({ "build-arg:SOURCE_DATE_EPOCH": "86400" });
    expect(configIn(returned).history.at(-1).created).toBe("1970-01-02T00:00:00Z");
  });
});
