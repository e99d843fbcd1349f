/** Help: what it leads with, how it fits, and what it costs. */
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type CommandReference, commandsOf } from "../../packages/cli/src/reference/command.ts";
import { initwrap, initwrapOk } from "../support/cli.ts";
import { ROOT } from "../support/programs.ts";

const commands = commandsOf(JSON.parse(await readFile(join(ROOT, "packages/cli/oclif.manifest.json"), "utf8")));
const names = commands.map(({ name }) => name);
const helpOf = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  (
    await initwrapOk(args, { env: { NO_COLOR: undefined, FORCE_COLOR: undefined, COLUMNS: undefined, ...env } })
  ).stdout.toString();

describe("help", () => {
  it.each(commands)("of $name leads with examples and names every flag", async ({ name, examples, flags }) => {
    const { stdout, stderr, status } = await initwrap([name, "--help"]);
    expect([status, stderr]).toEqual([0, ""]);
    const text = stdout.toString();
    expect(text.indexOf("\nEXAMPLES\n")).toBeLessThan(text.indexOf("\nUSAGE\n"));
    expect(examples.length).toBeGreaterThan(0);
    for (const example of examples) expect(text).toContain(`\n  $ ${example}\n`);
    for (const flag of flags) expect(text).toMatch(new RegExp(`[ ,]--${flag.name}\\b`));
    expect(await helpOf(["help", name])).toBe(text);
    if (name !== "run") expect(await helpOf([name, "-h"])).toBe(text);
  });

  it("of the program lists every command, however it is asked for", async () => {
    const text = await helpOf(["--help"]);
    for (const name of names) expect(text).toContain(`\n  ${name} `);
    for (const args of [["help"], ["-h"], [], ["--help", "--quiet"]]) expect(await helpOf(args)).toBe(text);
  });

  it("tells the exit codes as their page has them, and the variables that stand for no flag", async () => {
    const exits = await helpOf(["help", "exit-codes"]);
    const page = await readFile(join(ROOT, "docs/exit-codes.md"), "utf8");
    const told = (text: string, row: RegExp): string[] => [...text.matchAll(row)].map(([, code]) => code!);
    expect(told(exits, /^ {2}(\d[\d, ]*?) {2,}\S/gm)).toEqual(told(page, /^\| (\d[\d, ]*) \|/gm));
    expect(await helpOf(["help", "environment"])).toMatch(
      /\nENVIRONMENT\n {2}INITWRAP_CONFIG {2,}The configuration file/,
    );
    expect((await initwrap(["help", "toString"])).status).toBe(2);
  });

  it("ends at --: what follows is not initwrap's", async () => {
    const { status, stdout } = await initwrap(["run", "--", "sh", "-c", 'echo "$1"', "sh", "--help"]);
    expect([status, stdout.toString()]).toEqual([0, "--help\n"]);
  });

  it.each([40, 72, 200])("fits a terminal of %i columns, but for what is there to be copied", async (columns) => {
    const topics = ["exit-codes", "environment"].map((name) => ["help", name]);
    for (const args of [["--help"], ...topics, ...names.map((name) => [name, "--help"])]) {
      const text = await helpOf(args, { COLUMNS: String(columns) });
      // Command lines are whole, and so is a value's name; what is indented in a description is kept as it is.
      const long = text
        .split("\n")
        .filter((line) => line.length > columns && !/^ {2}\$|^ {2}(?: {4})?-|^ {4}\S/.test(line));
      expect(long).toEqual([]);
    }
  });

  it("is bold where colours are, and never under NO_COLOR", async () => {
    expect(await helpOf(["ci", "--help"])).not.toContain("\x1b");
    expect(await helpOf(["ci", "--help"], { FORCE_COLOR: "1" })).toContain("\x1b[1mEXAMPLES\x1b[22m");
    expect(await helpOf(["ci", "--help"], { FORCE_COLOR: "1", NO_COLOR: "1" })).not.toContain("\x1b");
  });

  it("and the version load no command and nothing of oclif", async () => {
    for (const args of [["--help"], ["dockerfile", "--help"], ["--version"]]) {
      const folder = await mkdtemp(join(tmpdir(), "initwrap-loaded-"));
      await initwrapOk(args, { env: { NODE_V8_COVERAGE: folder } });
      const [report = ""] = await readdir(folder);
      const { result } = JSON.parse(await readFile(join(folder, report), "utf8")) as { result: { url: string }[] };
      const files = result.map(({ url }) => url).filter((url) => url.startsWith("file:"));
      const sizes = await Promise.all(files.map(async (url) => (await stat(fileURLToPath(url))).size));
      await rm(folder, { recursive: true });
      expect(files.length).toBeGreaterThan(1);
      // oclif alone is 230 kilobytes.
      expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(40_000);
    }
  });
});

describe("the examples", () => {
  it("use flags and commands that there are", () => {
    const unknown = commands.flatMap((command) =>
      command.examples.flatMap((example) => {
        const [program = "", name, ...words] = example.split(/ \| | -- /)[0]!.split(" ");
        if (program !== "initwrap") return [];
        return [
          ...(names.includes(name as string) ? [] : [example]),
          // What follows the name of a command that config explains are that command's flags.
          ...words.filter(
            (word) => ![command, ...commands.filter((c) => c.name === words[0])].some((c) => isKnown(word, c)),
          ),
        ];
      }),
    );
    expect(unknown).toEqual([]);
  });
});

function isKnown(word: string, { flags }: CommandReference): boolean {
  if (!/^-./.test(word)) return true;
  const name = word.replace(/^-+/, "").split("=")[0];
  return flags.some((flag) => (word.startsWith("--") ? flag.name === name : flag.char === name));
}
