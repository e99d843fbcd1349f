/** The reference pages: one Markdown file a command, and one that lists them. */
import { type CommandReference, type FlagReference, flagRelations, flagWords, piecesOf } from "./command.ts";
import { settingNames } from "./settings.ts";

/** What stands on top of each page, for who opens the file to change it. */
const NOTICE = "<!-- Rendered by scripts/render-commands.mjs from the command itself. -->";

export interface PageOptions {
  /** Where the command is explained at length: a file's name in docs/, without its folder. */
  readonly guide?: string | undefined;
  /** The schema of what it prints under `--json`: a file's name in schemas/, without its folder. */
  readonly schema?: string | undefined;
}

/** `docs/commands/NAME.md`. */
export function commandPage(command: CommandReference, { guide, schema }: PageOptions = {}): string {
  const variables = new Map(settingNames([command]).map(({ flag, variable }) => [flag.name, variable]));
  const global = command.flags.filter((flag) => flag.global);
  const own = command.flags.filter((flag) => !flag.global);
  return page([
    NOTICE,
    `# initwrap ${command.name}`,
    literal(command.summary),
    fenced(
      "console",
      command.examples.map((example) => `$ ${example}`),
    ),
    "## Usage",
    fenced("", [`initwrap ${command.usage}`]),
    ...piecesOf(command.description).map(({ kind, lines }) =>
      kind === "block" ? fenced("", lines) : lines.map(literal).join("\n"),
    ),
    ...section("Arguments", argumentTable(command)),
    ...section("Flags", flagTable(own, variables)),
    ...section("Flags of every command", flagTable(global, variables)),
    variables.size === 0
      ? ""
      : "A variable, or the configuration file, sets what is not given: [config.md](../config.md).",
    schema === undefined
      ? ""
      : `\`--json\` prints a document of [${schema}](../../schemas/${schema}), or when the run fails one of
[error.schema.json](../../schemas/error.schema.json).`,
    guide === undefined ? "" : `More in [${guide}](../${guide}). All commands: [README.md](README.md).`,
  ]);
}

/** `docs/commands/README.md`. */
export function commandList(commands: readonly CommandReference[]): string {
  return page([
    NOTICE,
    "# Commands",
    [
      "| command | does |",
      "|---|---|",
      ...commands.map(({ name, summary }) => `| [\`initwrap ${name}\`](${name}.md) | ${cell(summary)} |`),
    ].join("\n"),
    "`initwrap help COMMAND` prints the same.",
  ]);
}

function page(parts: readonly string[]): string {
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function section(title: string, content: string): readonly string[] {
  return content === "" ? [] : [`## ${title}`, content];
}

function argumentTable({ args }: CommandReference): string {
  if (args.length === 0) return "";
  const rows = args.map(({ name, description, options, required }) => {
    const values = options === undefined ? "" : ` One of ${options.map((option) => `\`${option}\``).join(", ")}.`;
    return `| \`${name.toUpperCase()}\`${required ? "" : " (optional)"} | ${cell(description)}${values} |`;
  });
  return ["| argument | meaning |", "|---|---|", ...rows].join("\n");
}

function flagTable(flags: readonly FlagReference[], variables: ReadonlyMap<string, string>): string {
  if (flags.length === 0) return "";
  const rows = flags.map((flag) => {
    const usual = flag.default === undefined ? "" : `Default: \`${flag.default}\`.`;
    const meaning = [cell(flag.description), usual, cell(flagRelations(flag))].filter(Boolean).join(" ");
    const variable = variables.get(flag.name);
    const cells = [`\`${flagWords(flag).replaceAll("|", "\\|")}\``, meaning];
    return `| ${[...cells, variables.size > 0 ? (variable === undefined ? "" : `\`${variable}\``) : []].flat().join(" | ")} |`;
  });
  const head =
    variables.size > 0 ? ["| flag | meaning | variable |", "|---|---|---|"] : ["| flag | meaning |", "|---|---|"];
  return [...head, ...rows].join("\n");
}

function fenced(language: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : ["```", language, "\n", lines.join("\n"), "\n```"].join("");
}

function cell(text: string): string {
  return literal(text).replaceAll("|", "\\|").replaceAll("\n", " ");
}

/** Text that Markdown is to show as it is. */
function literal(text: string): string {
  return text.replace(/[<>*_[\]`\\]/g, (sign) => (sign === "<" ? "&lt;" : sign === ">" ? "&gt;" : `\\${sign}`));
}
