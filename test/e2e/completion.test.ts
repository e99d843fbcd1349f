/** `initwrap completion`, by the shells themselves: each is asked what it would offer. */
import { execFile, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commandsOf } from "../../packages/cli/src/reference/command.ts";
import { LOCATOR_FORMS } from "../../packages/cli/src/reference/locators.ts";
import { SCHEMES } from "../../packages/cli/src/store/schemes.ts";
import { requireCapability } from "../support/capability.ts";
import { initwrap, initwrapOk } from "../support/cli.ts";
import { ROOT } from "../support/programs.ts";

const has = (program: string) => spawnSync(program, ["--version"]).error === undefined;
const exec = promisify(execFile);
const commands = commandsOf(JSON.parse(await readFile(join(ROOT, "packages/cli/oclif.manifest.json"), "utf8")));
const names = commands.map(({ name }) => name);

/** Calls the function as readline does. Words are split as bash splits them, `=` and `:` being words of their own. */
const BASH = `
source "$1"
shift
COMP_WORDS=(initwrap "$@")
COMP_CWORD=$#
_initwrap
printf '%s\\n' "\${COMPREPLY[@]}"
`;

/** A zsh with its line editor in a pseudo-terminal; what it would add to the line is printed in place of that. */
const ZSH = `
zmodload zsh/zpty
zpty z zsh -f -i
send() { zpty -w z "$*"; }
send "PS1= PS2= RPS1= TERM=dumb"
send "cd $2"
send "fpath=($3 \\$fpath)"
send "autoload -Uz compinit && compinit -D -u"
send "source $1"
send "zstyle ':completion:*' completer _complete"
send "bindkey '^I' complete-word"
send 'compadd() {
  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi
  local -a hits; builtin compadd -A hits "$@"
  local hit; for hit in $hits; do print -r -- "HIT<$hit>"; done
  builtin compadd "$@"
}'
send 'comppostfuncs=(ended); ended() { print -r -- "END"; exit }'
zpty -w -n z "initwrap $4"$'\\t'
local line all=
while zpty -r z line; do
  all+=$line
  [[ $line == END* ]] && break
done
zpty -d z
print -r -- "$all"
`;

/** Where the line is completed, and where the scripts are. */
let folder: string;
let own: string;
let scripts: Readonly<Record<string, string>>;
const lines = (text: string) => [...new Set(text.split("\n").filter(Boolean))].sort();

/** What each shell offers for a command line that ends where the cursor is. */
const SHELLS = {
  bash: async (line: string) => {
    const words = line.split(/ |(?=[=:])|(?<=[=:])/);
    const { stdout } = await exec("bash", ["--norc", "-c", BASH, "bash", scripts["bash"]!, ...words], { cwd: folder });
    return lines(stdout);
  },
  fish: async (line: string) => {
    const ask = `source ${scripts["fish"]}; cd ${folder}; complete -C ${JSON.stringify(`initwrap ${line}`)}`;
    const { stdout } = await exec("fish", ["--no-config", "-c", ask], { env: { ...process.env, HOME: own } });
    // The value of --flag=value is offered as a whole word, and what it means stands behind a tab.
    return lines(stdout.replace(/\t.*$/gm, "").replace(/^--[\w-]+=/gm, ""));
  },
  zsh: async (line: string) => {
    const { stdout } = await exec("zsh", ["-f", "-c", ZSH, "zsh", scripts["zsh"]!, folder, own, line]);
    return lines([...stdout.matchAll(/HIT<(?!\$hit)(.*?)>/g)].map(([, hit]) => hit).join("\n"));
  },
} as const;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-completion-"));
  own = await mkdtemp(join(tmpdir(), "initwrap-scripts-"));
  const written = Object.keys(SHELLS).map(async (shell) => {
    const path = join(own, shell === "zsh" ? "_initwrap" : `initwrap.${shell}`);
    await writeFile(path, (await initwrapOk(["completion", shell])).stdout);
    return [shell, path] as const;
  });
  scripts = Object.fromEntries(await Promise.all(written));
  await mkdir(join(folder, "services"));
  await writeFile(join(folder, "web app.Dockerfile"), "");
  await writeFile(join(folder, "app.tar"), "");
});
afterAll(() => Promise.all([folder, own].map((path) => rm(path, { recursive: true, force: true }))));

describe.each(Object.keys(SHELLS) as (keyof typeof SHELLS)[])("in %s", (shell) => {
  const test = (name: string, body: () => Promise<void>) =>
    it(name, async (context) => {
      requireCapability(context, shell, has(shell));
      await body();
    });
  const offers = (line: string) => SHELLS[shell](line);

  test("the commands are offered", async () => {
    const offered = await offers("");
    for (const name of [...names, "help"]) expect(offered).toContain(name);
    expect(await offers("in")).toEqual(["init-image", "inspect"]);
    expect(await offers("help ver")).toEqual(["verify"]);
  });

  test("every flag of every command is offered", async () => {
    for (const { name, flags } of commands) {
      const offered = (await offers(`${name} --`)).map((word) => word.replace(/=$/, ""));
      for (const flag of flags) expect(offered, `${name} --${flag.name}`).toContain(`--${flag.name}`);
      expect(offered).toContain("--help");
      // And none of another command's.
      expect(offered.filter((word) => word !== "--help" && !flags.some((flag) => `--${flag.name}` === word))).toEqual(
        [],
      );
    }
    expect((await offers("dockerfile --in")).map((word) => word.replace(/=$/, ""))).toEqual([
      "--init-arg",
      "--init-image",
      "--inject",
      "--insecure-registry",
    ]);
  });

  test("the values of a flag are offered, behind a blank and behind =", async () => {
    expect(await offers("dockerfile --inject ")).toEqual(["context", "image", "inline"]);
    expect(await offers("dockerfile --inject=in")).toEqual(["inline"]);
    expect(await offers("verify --reporter g")).toEqual(["github", "gitlab"]);
    expect(await offers("generate --inject=")).toEqual(["context", "image", "inline"]);
    // Nothing is known of these, and no file is meant.
    expect(await offers("image --shard ")).toEqual([]);
  });

  test("the names that ci, completion and config take are offered", async () => {
    expect(await offers("ci git")).toEqual(["github", "github-action", "gitlab"]);
    expect(await offers("completion ")).toEqual(["bash", "fish", "zsh"]);
    expect(await offers("config ver")).toEqual(["verify"]);
  });

  test("files and folders are offered where they are meant", async () => {
    const plain = (offered: readonly string[]) => offered.map((word) => word.replace(/\/$/, "").replaceAll("\\ ", " "));
    expect(plain(await offers("dockerfile w"))).toEqual(["web app.Dockerfile"]);
    expect(plain(await offers("image a"))).toEqual(["app.tar"]);
    const places = LOCATOR_FORMS.map(({ scheme }) => scheme);
    for (const line of ["image app.tar -o ", "verify "]) {
      const offered = plain(await offers(line))
        .map((word) => word.replace(/:$/, ""))
        .sort();
      expect(offered, line).toEqual(["app.tar", "services", "web app.Dockerfile", ...places].sort());
    }
    expect(plain(await offers("dockerfile --lock-file=w"))).toEqual(["web app.Dockerfile"]);
    expect(plain(await offers("generate "))).toEqual(["services"]);
    expect(plain(await offers("dockerfile --context "))).toEqual(["services"]);
  });

  test("places that hold images are offered by their schemes, and paths behind them", async () => {
    const names = async (line: string) =>
      (await offers(line)).map((word) => word.replace(/^[\w-]+:(?=.)|:$/g, "")).sort();
    expect(await names("image doc")).toEqual(["docker", "docker-archive"]);
    expect(await names("image app.tar --output=pod")).toEqual(["podman"]);
    for (const line of ["image docker-archive:ap", "image -o docker-archive:ap"]) {
      expect(await names(line), line).toEqual(["app.tar"]);
    }
  });

  test("behind -- of run, programs are offered", async () => {
    expect(await offers("run -- initwrap-no-such-program")).toEqual([]);
    expect(await offers("run -- gzi")).toContain("gzip");
  });
});

it("knows every scheme that there is, as the help of image has it", async () => {
  expect(LOCATOR_FORMS.map(({ scheme }) => scheme).sort()).toEqual([...SCHEMES].sort());
  const { description } = commands.find(({ name }) => name === "image")!;
  for (const { form } of LOCATOR_FORMS) expect(description).toContain(form);
});

describe("initwrap completion", () => {
  it("knows three shells", async () => {
    const { status, stderr } = await initwrap(["completion", "fihs"]);
    expect([status, stderr]).toEqual([2, expect.stringContaining("Did you mean fish?")]);
    expect(JSON.parse((await initwrapOk(["completion", "zsh", "--json"])).stdout.toString())).toMatchObject({
      version: 1,
      shell: "zsh",
      script: expect.stringContaining("#compdef initwrap"),
    });
  });

  it("writes for bash what shellcheck has nothing to say about", async (context) => {
    requireCapability(context, "shellcheck", has("shellcheck"));
    const { stdout } = await exec("shellcheck", ["--shell=bash", "--severity=style", scripts["bash"]!]).catch((e) => e);
    expect(stdout).toBe("");
  });
});
