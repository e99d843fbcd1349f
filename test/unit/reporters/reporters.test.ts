/** Each reporter says the same findings in its own format, and each format is what its reader accepts. */
import { mkdtemp, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import draft04 from "ajv-draft-04";
import formats from "ajv-formats";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DIAGNOSTICS, type Diagnostic, type DiagnosticCode } from "../../../packages/cli/src/model/diagnostics.ts";
import { InitwrapError } from "../../../packages/cli/src/model/errors.ts";
import { errorDocument } from "../../../packages/cli/src/terminal/present-error.ts";
import { chooseReporter, loadReporter, REPORTER_NAMES } from "../../../packages/cli/src/terminal/reporters/index.ts";
import { checkReporting, writeReports } from "../../../packages/cli/src/terminal/reporters/output.ts";
import { findingOf, findingOfError, type Report } from "../../../packages/cli/src/terminal/reporters/report.ts";
import { ROOT } from "../../support/programs.ts";

const CONTEXT = { version: "1.2.3", paint: (_style: unknown, text: string) => text };
const TEXT = "FROM debian\nSTOPSIGNAL KILL\nCMD ['sh']\n";
const STOP: Diagnostic = {
  code: "STOPSIGNAL_KILL",
  severity: "warning",
  args: { signal: "KILL" },
  range: { line: 2, endLine: 2 },
};
const FORM: Diagnostic = {
  code: "JSON_FORM_MALFORMED",
  severity: "warning",
  args: { instruction: "CMD" },
  range: { line: 3, endLine: 3 },
};
const NOTE: Diagnostic = { code: "BASE_ASSUMED", severity: "note", args: { reference: "debian" } };

function report(file: string | undefined, text: string | undefined, ...diagnostics: Diagnostic[]): Report {
  return { file, text, findings: diagnostics.map(findingOf) };
}

async function print(name: (typeof REPORTER_NAMES)[number], ...reports: Report[]): Promise<string> {
  return (await loadReporter(name))(reports, CONTEXT);
}

/** Undoes what GitHub's runner undoes, in its order. */
function readCommand(line: string) {
  const match = /^::(\w+) ([^:]*)::(.*)$/s.exec(line);
  const plain = (text: string) => text.replaceAll("%0D", "\r").replaceAll("%0A", "\n");
  const properties = Object.fromEntries(
    match![2]!.split(",").map((pair) => {
      const [name, ...value] = pair.split("=");
      const text = plain(value.join("=")).replaceAll("%3A", ":").replaceAll("%2C", ",").replaceAll("%25", "%");
      return [name!, text] as const;
    }),
  );
  return { command: match![1], properties, message: plain(match![3]!).replaceAll("%25", "%") };
}

describe("pretty", () => {
  it("shows place, sentence, source with the line marked, hint and page", async () => {
    expect(await print("pretty", report("app/Dockerfile", TEXT, STOP))).toBe(
      [
        "app/Dockerfile:2: warning[STOPSIGNAL_KILL]: STOPSIGNAL KILL can be handled by no process: the container always dies at once",
        "  1 |     FROM debian",
        "  2 | >>> STOPSIGNAL KILL",
        "  3 |     CMD ['sh']",
        "  hint: Remove STOPSIGNAL, or name the signal on which the program ends in good order.",
        "  help: https://unpkg.com/initwrap/docs/diagnostics/STOPSIGNAL_KILL.md",
      ].join("\n"),
    );
  });

  it("tells a note in one line, and does without a source", async () => {
    const text = await print("pretty", report("Dockerfile", undefined, NOTE, STOP));
    expect(text.split("\n")[0]).toMatch(/^Dockerfile: note\[BASE_ASSUMED\]: /);
    expect(text).not.toContain(">>>");
  });

  it("lets no control character of the source reach the terminal", async () => {
    const source = "FROM debian\nSTOPSIGNAL KILL \x1b[31m\x07\u009b31m\n";
    expect(await print("pretty", report("Dockerfile", source, STOP))).not.toMatch(/[\x07\x1b\u009b]/);
  });
});

describe("github", () => {
  it("writes an annotation a finding", async () => {
    const lines = (await print("github", report("Dockerfile", TEXT, STOP, { ...NOTE, range: STOP.range! }))).split(
      "\n",
    );
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(
      /^::warning file=Dockerfile,line=2,endLine=2,title=initwrap STOPSIGNAL_KILL::STOPSIGNAL KILL /,
    );
    expect(lines[1]).toMatch(/^::notice /);
  });

  it("survives any path and any argument, on one line", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: "binary", minLength: 1 }),
        fc.string({ unit: "binary" }),
        async (file, signal) => {
          const line = await print("github", report(file, undefined, { ...STOP, args: { signal } }));
          expect(line).not.toMatch(/[\r\n]/);
          const read = readCommand(line);
          expect(read.properties).toMatchObject({ file, line: "2", endLine: "2" });
          expect(read.message).toContain(`STOPSIGNAL ${signal} can`);
        },
      ),
    );
    const line = await print("github", report("a,b:c%.Dockerfile", undefined, STOP));
    expect(line).toContain("file=a%2Cb%3Ac%25.Dockerfile,");
  });
});

describe("gitlab", () => {
  it("writes Code Quality entries with path, line and severity", async () => {
    const entries = JSON.parse(await print("gitlab", report("./app/Dockerfile", TEXT, STOP, NOTE)));
    expect(entries).toMatchObject([
      { check_name: "STOPSIGNAL_KILL", severity: "minor", location: { path: "app/Dockerfile", lines: { begin: 2 } } },
      { check_name: "BASE_ASSUMED", severity: "info", location: { lines: { begin: 1 } } },
    ]);
    for (const { fingerprint } of entries) expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
  });

  it("writes an empty list for nothing", async () => {
    expect(JSON.parse(await print("gitlab"))).toEqual([]);
  });

  it("keeps a fingerprint when the line moves, changes it with the line, and gives none twice", async () => {
    const marks = async (...reports: Report[]) =>
      (JSON.parse(await print("gitlab", ...reports)) as { fingerprint: string }[]).map(
        ({ fingerprint }) => fingerprint,
      );
    const [before] = await marks(report("Dockerfile", TEXT, STOP));
    const moved = { ...STOP, range: { line: 4, endLine: 4 } };
    expect(await marks(report("Dockerfile", `# a\n# b\n${TEXT}`, moved))).toEqual([before]);
    expect(await marks(report("Dockerfile", TEXT.replace("KILL", "9"), STOP))).not.toEqual([before]);
    expect(await marks(report("other", TEXT, STOP))).not.toEqual([before]);
    const twice = await marks(report("Dockerfile", TEXT, STOP, STOP));
    expect(new Set(twice).size).toBe(2);
    expect(twice[0]).toBe(before);
  });
});

describe("sarif", () => {
  const schema = createRequire(import.meta.url).resolve("@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json");

  it("is valid against the SARIF schema, and every result names its rule", async () => {
    const ajv = new draft04.default({ strict: false, unicodeRegExp: false });
    formats.default(ajv as never);
    const validate = ajv.compile(JSON.parse(await readFile(schema, "utf8")));
    const error = new InitwrapError("DOCKERFILE_SYNTAX", "no", { where: "a b/Dockerfile:2" });
    const failed = { file: "a b/Dockerfile", findings: [findingOfError(error, "a b/Dockerfile")] };
    const reports = [report("Dockerfile", TEXT, STOP, FORM, NOTE), failed, report(undefined, undefined, NOTE)];
    for (const given of [reports, []]) {
      const log = JSON.parse(await print("sarif", ...given));
      expect(validate(log), JSON.stringify(validate.errors)).toBe(true);
    }
    expect(validate({ version: "2.1.0", runs: [{}] })).toBe(false);

    const [run] = JSON.parse(await print("sarif", ...reports)).runs;
    const { rules } = run.tool.driver;
    for (const { ruleId, ruleIndex } of run.results) expect(rules[ruleIndex].id).toBe(ruleId);
    expect(rules.map(({ helpUri }: { helpUri: string }) => helpUri)).toContain(
      "https://unpkg.com/initwrap/docs/diagnostics/STOPSIGNAL_KILL.md",
    );
    expect(run.results[0].locations[0].physicalLocation).toEqual({
      artifactLocation: { uri: "Dockerfile", uriBaseId: "%SRCROOT%" },
      region: { startLine: 2, endLine: 2 },
    });
    expect(run.results[3].locations[0].physicalLocation.artifactLocation.uri).toBe("a%20b/Dockerfile");
    expect(run.results[4].locations).toBeUndefined();
  });
});

describe("json", () => {
  it("follows its published schema", async () => {
    const ajv = new Ajv2020({ allowUnionTypes: true });
    formats.default(ajv as never);
    const validate = ajv.compile(JSON.parse(await readFile(join(ROOT, "schemas/report.schema.json"), "utf8")));
    const document = JSON.parse(
      await print("json", report("Dockerfile", TEXT, STOP, NOTE), report(undefined, undefined)),
    );
    expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
    expect(document.files[0].findings[0]).toMatchObject({ code: "STOPSIGNAL_KILL", args: { signal: "KILL" } });
    expect(validate({ ...document, version: 2 })).toBe(false);
  });

  it("follows the schema of failures under --json", async () => {
    const ajv = new Ajv2020();
    const validate = ajv.compile(JSON.parse(await readFile(join(ROOT, "schemas/error.schema.json"), "utf8")));
    expect(validate(errorDocument(new InitwrapError("USAGE", "no", { hint: "yes" })))).toBe(true);
    expect(validate({ version: 1, error: { code: "USAGE" } })).toBe(false);
  });
});

describe("every reporter", () => {
  it.each(REPORTER_NAMES)("%s names every code that there is", async (name) => {
    const all = (Object.keys(DIAGNOSTICS) as DiagnosticCode[]).map(
      (code) => ({ code, severity: "warning", args: {} }) as const,
    );
    const text = await print(name, report("Dockerfile", undefined, ...all));
    for (const { code } of all) expect(text).toContain(code);
  });
});

describe("the choice", () => {
  it("is what was asked for, then annotations in GitHub Actions, then text", () => {
    expect(chooseReporter("sarif", { GITHUB_ACTIONS: "true" })).toBe("sarif");
    expect(chooseReporter(undefined, { GITHUB_ACTIONS: "true" })).toBe("github");
    expect(chooseReporter(undefined, { GITHUB_ACTIONS: "false" })).toBe("pretty");
    expect(chooseReporter(undefined, {})).toBe("pretty");
  });

  it("refuses a document that would mix with the product, and a file without a reporter", () => {
    expect(() => checkReporting({ reporter: "sarif", stdoutTaken: true })).toThrow(/stdout has another/);
    expect(() => checkReporting({ file: "x" })).toThrow(/needs --reporter/);
    checkReporting({ reporter: "sarif", file: "x", stdoutTaken: true });
    checkReporting({ reporter: "github", stdoutTaken: true });
    checkReporting({ reporter: "json", stdoutTaken: false });
  });

  it("writes to the file that was named, and says when it cannot", async () => {
    const folder = await mkdtemp(join(tmpdir(), "initwrap-report-"));
    const options = { look: () => CONTEXT, silent: true, environment: {} };
    const file = join(folder, "findings.sarif");
    await writeReports([report("Dockerfile", TEXT, STOP)], { reporter: "sarif", file }, options);
    expect(JSON.parse(await readFile(file, "utf8")).runs[0].results).toHaveLength(1);
    const missing = join(folder, "none", "x");
    await expect(writeReports([], { reporter: "json", file: missing }, options)).rejects.toMatchObject({
      code: "OUTPUT_NOT_WRITTEN",
    });
  });

  it("takes an error's line only from its own file's place", () => {
    const at = (where: string) => findingOfError(new InitwrapError("USAGE", "no", { where }), "Dockerfile").range;
    expect(at("Dockerfile:7")).toEqual({ line: 7, endLine: 7 });
    expect(at("localhost:5000")).toBeUndefined();
  });
});
