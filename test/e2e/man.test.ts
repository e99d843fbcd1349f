/** The man pages: well-formed for mandoc, readable by man, and complete. */
import { execFile, spawnSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { EXIT } from "../../packages/cli/src/model/errors.ts";
import { commandsOf } from "../../packages/cli/src/reference/command.ts";
import { PROGRAM } from "../../packages/cli/src/reference/program.ts";
import { requireCapability } from "../support/capability.ts";
import { ROOT } from "../support/programs.ts";

const exec = promisify(execFile);
const CLI = join(ROOT, "packages/cli");
const MAN = join(CLI, "man");
const commands = commandsOf(JSON.parse(await readFile(join(CLI, "oclif.manifest.json"), "utf8")));
const pages = (await readdir(MAN)).sort();
const has = (program: string) => spawnSync(program, ["--version"]).error === undefined;

/** The page as man shows it, without what makes it bold. */
async function shown(page: string, width = 80): Promise<string> {
  const env = { ...process.env, MANWIDTH: String(width), MANPAGER: "cat", LC_ALL: "C.UTF-8", MANROFFOPT: "-c" };
  const { stdout, stderr } = await exec("man", ["--warnings", "--local-file", join(MAN, page)], { env });
  expect(stderr).toBe("");
  return stdout.replace(/.\x08/g, "");
}

describe("the man pages", () => {
  it("are one for the program, one for each command and one for the init, all named by package.json", async () => {
    const { man } = JSON.parse(await readFile(join(CLI, "package.json"), "utf8"));
    expect(pages).toEqual(
      ["initwrap.1", "initwrap-init.1", ...commands.map(({ name }) => `initwrap-${name}.1`)].sort(),
    );
    expect((man as string[]).map((path) => path.replace("./man/", "")).sort()).toEqual(pages);
  });

  it("have nothing that mandoc's lint minds", async (context) => {
    requireCapability(context, "mandoc", has("mandoc"));
    const { stdout } = await exec("mandoc", ["-T", "lint", ...pages.map((page) => join(MAN, page))]).catch((e) => e);
    // The pages are not installed here, and what they are a part of is said where others say the system.
    const notes = (stdout as string)
      .split("\n")
      .filter((line) => !/referenced manual not found|operating system explicitly/.test(line));
    expect(notes.filter(Boolean)).toEqual([]);
    // It would say.
    const broken = await exec("sh", [
      "-c",
      `printf '.Dd x\\n.Dt A 1\\n.Os\\n.Sh NAME\\n.Bl\\n' | mandoc -T lint`,
    ]).catch((e) => e);
    expect(broken.stdout).toContain("WARNING");
  });

  it("show every flag, argument and example of a command", async (context) => {
    requireCapability(context, "man", has("man"));
    for (const command of commands) {
      const text = await shown(`initwrap-${command.name}.1`);
      for (const flag of command.flags) expect(text).toMatch(new RegExp(`^ {5}(?:-\\w, )?--${flag.name}\\b`, "m"));
      for (const arg of command.args) expect(text).toMatch(new RegExp(`^ {5}${arg.name.toUpperCase()}\\b`, "m"));
      for (const example of command.examples)
        expect(text.replace(/\s+/g, " ")).toContain(`$ ${example}`.replace(/\s+/g, " "));
    }
  });

  it("name every command and every exit code in the program's", async (context) => {
    requireCapability(context, "man", has("man"));
    const text = await shown("initwrap.1");
    for (const { name } of commands) expect(text).toContain(`initwrap-${name}(1)`);
    expect(text).toContain("initwrap-init(1)");
    for (const exit of Object.values(EXIT)) expect(PROGRAM.exits.map(([code]) => code)).toContain(String(exit));
    for (const [code] of PROGRAM.exits) expect(text).toMatch(new RegExp(`^ {5}${code}\\b`, "m"));
  });

  it("have the init's options and variables in the init's", async (context) => {
    requireCapability(context, "man", has("man"));
    const text = await shown("initwrap-init.1");
    const page = await readFile(join(ROOT, "docs/init.md"), "utf8");
    const named = page
      .match(/^\| `-.*$/gm)!
      .join("\n")
      .match(/--[a-z-]+|INITWRAP_[A-Z_]+/g)!;
    expect(named.length).toBeGreaterThan(18);
    for (const name of named) expect(text).toContain(name);
  });

  it("fit a narrow terminal", async (context) => {
    requireCapability(context, "man", has("man"));
    const long = (await shown("initwrap-verify.1", 50))
      .split("\n")
      .filter((line) => line.length > 50 && !/\$ initwrap/.test(line));
    expect(long).toEqual([]);
  });
});
