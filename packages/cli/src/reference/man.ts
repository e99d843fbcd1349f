/**
 * The man pages: one for the program, one for each command, and one for the init. They are in mdoc, in which what a word is
 * is said and not how it looks; man-db and mandoc both read it.
 * Source: mdoc(7).
 */
import { type CommandReference, type FlagReference, flagRelations, piecesOf } from "./command.ts";
import { PROGRAM } from "./program.ts";
import { initOptions, settingNames } from "./settings.ts";

const LONGEST = 78;

export interface ManOptions {
  /** The release. */
  readonly version: string;
  readonly commands: readonly CommandReference[];
}

/** Every page: the file's name, such as `initwrap-ci.1`, and its content. */
export function manPages(options: ManOptions): ReadonlyMap<string, string> {
  const { commands } = options;
  return new Map([
    ["initwrap.1", programPage(options)],
    ...commands.map((command) => [`${pageOf(command)}.1`, commandPage(command, options)] as const),
    ["initwrap-init.1", initPage(options)],
  ]);
}

function programPage(options: ManOptions): string {
  const { commands } = options;
  return page("initwrap", PROGRAM.summary, options, [
    ".Sh SYNOPSIS",
    ".Nm initwrap",
    ".Ar COMMAND",
    ".Op Ar FLAGS",
    ".Sh DESCRIPTION",
    ".Nm",
    "rewrites a Dockerfile or an image so that PID 1 of its containers is an init,",
    "which forwards signals and reaps orphans.",
    "The original command runs beneath it, unchanged.",
    ".Pp",
    "The commands are as follows:",
    ...list(commands.map((command) => [`Xr ${pageOf(command)} 1`, command.summary])),
    ...sections({
      ENVIRONMENT: [
        "Every flag of a command is also a variable:",
        ".Ev INITWRAP_ ,",
        "the command and the flag, in capitals and with underscores.",
        "Some can be set for all commands, without the command's name.",
        ".Xr initwrap-config 1",
        "shows what is set.",
        ".Pp",
        "These are read as well:",
        ...list(PROGRAM.environment.map(([names, meaning]) => [`Ev ${names.replaceAll(", ", " , Ev ")}`, meaning])),
      ],
      FILES: list([
        [
          "Pa .initwrap.yaml",
          "The configuration file, in the working directory or above it, up to the root of the repository.",
        ],
        ["Pa initwrap.lock", "What base images run, where it was locked."],
      ]),
      "EXIT STATUS": list(PROGRAM.exits.map(([code, meaning]) => [`Li ${code}`, `${meaning}.`])),
      EXAMPLES: literal(PROGRAM.examples.map((example) => `$ ${example}`)),
      "SEE ALSO": seeAlso([...commands.map(pageOf), "initwrap-init"]),
    }),
  ]);
}

function commandPage(command: CommandReference, options: ManOptions): string {
  const { args, flags, name, summary, usage } = command;
  const isInits = name === "run";
  const [first] = settingNames([command]).filter((setting) => setting.command === name);
  return page(pageOf(command), summary, options, [
    ".Sh SYNOPSIS",
    ".Nm initwrap",
    ...sentences(usage),
    ".Sh DESCRIPTION",
    ...description(command),
    ...(args.length === 0 ? [] : [".Pp", "The arguments are as follows:"]),
    ...list(args.map((arg) => [`Ar ${word(arg.name.toUpperCase())}`, argumentText(arg)])),
    ".Pp",
    "The flags are as follows:",
    ...list(flags.map((flag) => [flagMacros(flag), flagText(flag)])),
    ...sections({
      ENVIRONMENT: isInits
        ? variables(options)
        : first === undefined
          ? []
          : [
              "A flag that is not given is taken from a variable, such as",
              `.Ev ${first.variable} ,`,
              "or from",
              ".Pa .initwrap.yaml :",
              "see",
              `.Xr initwrap-config 1 .`,
            ],
      "EXIT STATUS": isInits ? EXIT_OF_INIT : ["See", ".Xr initwrap 1 ."],
      EXAMPLES: literal(command.examples.map((example) => `$ ${example}`)),
      "SEE ALSO": seeAlso([
        "initwrap",
        ...(isInits ? ["initwrap-init"] : name === "config" ? [] : ["initwrap-config"]),
      ]),
    }),
  ]);
}

/** The init's own page. Its options are those of `initwrap run`. */
function initPage(options: ManOptions): string {
  const run = options.commands.find(({ name }) => name === "run");
  const flags = (run?.flags ?? []).filter(({ name }) => name !== "help" && name !== "version");
  return page("initwrap-init", "the first process of a container", options, [
    ".Sh SYNOPSIS",
    ".Nm /initwrap",
    ".Op Ar OPTIONS",
    ".Fl -",
    ".Ar COMMAND",
    ".Op Ar ARGS...",
    ".Sh DESCRIPTION",
    "The init starts",
    ".Ar COMMAND ,",
    "forwards every signal that it gets to it, reaps what it leaves behind,",
    "and ends as it ends.",
    "It is what",
    ".Xr initwrap-dockerfile 1",
    "and",
    ".Xr initwrap-image 1",
    "put in front of a container's command.",
    "It writes nothing in a normal run.",
    ".Pp",
    "A TIME is 5, 1.5s, 300ms, 2m or 1h; a SIGNAL is TERM, SIGTERM, 15 or RTMIN+3.",
    "The options are as follows:",
    ...list(flags.map((flag) => [flagMacros(flag), flagText(flag)])),
    ...list([
      ["Fl V , Fl -version", "Print the version."],
      ["Fl h , Fl -help", "Print the options."],
      ["Fl l , Fl -license", "Print the licence."],
    ]),
    ...sections({
      ENVIRONMENT: variables(options),
      "EXIT STATUS": EXIT_OF_INIT,
      EXAMPLES: literal([
        'ENTRYPOINT ["/initwrap", "--grace=10s", "--", "/app"]',
        "$ docker run -e INITWRAP_REWRITE=TERM:QUIT app",
      ]),
      "SEE ALSO": seeAlso(["initwrap", "initwrap-run"]),
    }),
  ]);
}

/** The init's variables: each option that takes a value, and two that do not. */
function variables({ commands }: ManOptions): readonly string[] {
  const valued = initOptions(commands).filter(({ value }) => value !== undefined);
  return [
    "Every option can be a variable; the option wins.",
    ...list([
      ["Ev INITWRAP_GROUP", "1 is --group, 0 is --no-group."],
      ["Ev INITWRAP_VERBOSE", "1 is --verbose."],
      ...valued.map(
        ({ name }) => [`Ev INITWRAP_${name.replaceAll("-", "_").toUpperCase()}`, `The value of --${name}.`] as const,
      ),
    ]),
  ];
}

const EXIT_OF_INIT = sentences(
  "The command's own; 128 + n when signal n ended it; 126 when it cannot be executed; 127 when it does not exist; 125 when it could not be started.",
);

function page(name: string, summary: string, { version }: ManOptions, body: readonly string[]): string {
  const about = summary.replace(/\.$/, "");
  return `${[
    '.\\" Rendered from the command itself when the package was built.',
    `.Dd ${PROGRAM.date}`,
    `.Dt ${name.toUpperCase()} 1`,
    `.Os initwrap ${version}`,
    ".Sh NAME",
    `.Nm ${name}`,
    `.Nd ${text(about.charAt(0).toLowerCase() + about.slice(1))}`,
    ...body,
  ].join("\n")}\n`;
}

/** The sections that have content, in the order in which readers of man pages look for them. */
function sections(contents: Readonly<Record<string, readonly string[]>>): readonly string[] {
  return Object.entries(contents).flatMap(([title, content]) =>
    content.length === 0 ? [] : [`.Sh ${title}`, ...content],
  );
}

function description({ description: whole }: CommandReference): readonly string[] {
  return piecesOf(whole).flatMap(({ kind, lines }, index) => {
    if (kind === "block") return literal(lines);
    return [...(index === 0 ? [] : [".Pp"]), ...sentences(lines.join(" "))];
  });
}

/** A list of terms, whose macros are given without the dot, and what they mean. */
function list(rows: readonly (readonly [string, string])[]): readonly string[] {
  if (rows.length === 0) return [];
  return [".Bl -tag -width Ds", ...rows.flatMap(([term, meaning]) => [`.It ${term}`, ...sentences(meaning)]), ".El"];
}

/** To be shown and copied as it is. */
function literal(lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [".Bd -literal -offset indent", ...lines.map(line), ".Ed"];
}

function seeAlso(names: readonly string[]): readonly string[] {
  const sorted = names.toSorted();
  return sorted.map((name, index) => `.Xr ${name} 1${index === sorted.length - 1 ? "" : " ,"}`);
}

function flagMacros({ name, char, value, multiple }: FlagReference): string {
  const short = char === undefined ? "" : `Fl ${char} , `;
  const argument = value === undefined ? "" : ` Ar ${word(`${value}${multiple ? "..." : ""}`)}`;
  return `${short}Fl -${name}${argument}`;
}

function flagText(flag: FlagReference): string {
  const usual = flag.default === undefined ? "" : `Default: ${flag.default}.`;
  return [flag.description, usual, flagRelations(flag)].filter(Boolean).join(" ");
}

function argumentText({ description: about, options }: CommandReference["args"][number]): string {
  return options === undefined ? about : `${about} One of ${options.join(", ")}.`;
}

function pageOf({ name }: CommandReference): string {
  return `initwrap-${name}`;
}

/** Each sentence begins on a line of its own, and no line is longer than a terminal's, as mdoc wants it. */
function sentences(paragraph: string): readonly string[] {
  return paragraph.split(/(?<=[.!?])\s+(?=[A-Z0-9-])/).flatMap((sentence) => {
    const lines: string[] = [];
    for (const next of sentence.split(/\s+/).map(unbroken)) {
      const last = lines.at(-1);
      if (last !== undefined && last.length + next.length < LONGEST) lines[lines.length - 1] = `${last} ${next}`;
      else lines.push(next);
    }
    return lines.map(guarded);
  });
}

/** A flag is not hyphenated. */
function unbroken(content: string): string {
  return content.startsWith("--") ? `\\%${text(content)}` : text(content);
}

/** A line of text that is no request, whatever it begins with. */
function line(content: string): string {
  return guarded(text(content));
}

function guarded(written: string): string {
  return written.replace(/^[.']/, "\\&$&");
}

/** A word behind a macro, which is no macro whatever it is called. */
function word(content: string): string {
  return `\\&${text(content)}`;
}

/** A dash is one that can be typed, and a backslash is itself. */
function text(content: string): string {
  return content.replaceAll("\\", "\\e").replaceAll("-", "\\-");
}
