/**
 * What is known of a command without loading it: the names, values and words that its class declares, as oclif's manifest
 * holds them. Help, the reference pages, the man pages, the completion scripts and the configuration file's schema are all
 * made from this one description.
 */

/** What a value names, where a shell could complete it. A locator may be a path, and may be a name. */
export type ValueKind = "file" | "folder" | "locator" | "text";

export interface FlagReference {
  /** Without the dashes. */
  readonly name: string;
  readonly char: string | undefined;
  readonly description: string;
  /** The value's name in help, such as FILE; undefined for a flag that takes none. */
  readonly value: string | undefined;
  readonly kind: ValueKind;
  /** The only values that it takes. */
  readonly options: readonly string[] | undefined;
  readonly multiple: boolean;
  /** What separates several values in one word. */
  readonly delimiter: string | undefined;
  readonly default: string | undefined;
  /** Every command has it. */
  readonly global: boolean;
  readonly exclusive: readonly string[];
  readonly dependsOn: readonly string[];
}

export interface ArgumentReference {
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
  readonly kind: ValueKind;
  readonly options: readonly string[] | undefined;
}

export interface CommandReference {
  readonly name: string;
  readonly summary: string;
  /** Paragraphs with an empty line between them; indented lines are to be kept as they are. */
  readonly description: string;
  /** Without the program's name: `ci PROVIDER [FLAGS]`. */
  readonly usage: string;
  /** Whole command lines. */
  readonly examples: readonly string[];
  readonly args: readonly ArgumentReference[];
  /** As the command declares them, the global ones last. */
  readonly flags: readonly FlagReference[];
}

/** The part of oclif.manifest.json that is read here. */
export interface Manifest {
  readonly version: string;
  readonly commands: Readonly<Record<string, ManifestCommand>>;
}

/** A command as oclif describes it, in the manifest and in `Config.commands`. */
export interface ManifestCommand {
  readonly id: string;
  readonly summary?: string | undefined;
  readonly description?: string | undefined;
  readonly usage?: string | string[] | undefined;
  readonly examples?: readonly unknown[] | undefined;
  readonly args?: Readonly<Record<string, object>> | undefined;
  readonly flags?: Readonly<Record<string, object>> | undefined;
}

/** An argument or flag as the manifest has it, with what concerns either of them. */
interface Declared {
  readonly char?: string;
  readonly default?: unknown;
  readonly delimiter?: string;
  readonly dependsOn?: readonly string[];
  readonly description?: string;
  readonly exclusive?: readonly string[];
  readonly helpGroup?: string;
  readonly helpValue?: string;
  readonly multiple?: boolean;
  readonly options?: readonly string[];
  readonly required?: boolean;
  readonly type?: "boolean" | "option";
}

/** The commands in the order of their names. */
export function commandsOf(manifest: Pick<Manifest, "commands">): readonly CommandReference[] {
  return Object.values(manifest.commands)
    .map(commandOf)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

export function commandOf(command: ManifestCommand): CommandReference {
  const args = Object.entries(command.args ?? {}).map(([name, declared]) => argumentOf(name, declared));
  const declared: Readonly<Record<string, Declared>> = command.flags ?? {};
  const flags = Object.keys(declared)
    .map((name) => flagOf(name, declared))
    .toSorted((a, b) => Number(a.global) - Number(b.global));
  const [usage = usageOf(command.id, args)] = [command.usage ?? []].flat();
  return {
    name: command.id,
    summary: command.summary ?? "",
    description: command.description ?? "",
    usage,
    examples: (command.examples ?? []).map((example) => String(example).replaceAll("<%= config.bin %>", "initwrap")),
    args,
    flags,
  };
}

function usageOf(name: string, args: readonly ArgumentReference[]): string {
  const words = args.map((arg) => (arg.required ? arg.name.toUpperCase() : `[${arg.name.toUpperCase()}]`));
  return [name, ...words, "[FLAGS]"].join(" ");
}

/** What the commands call an argument that is a path, or may be one. */
const ARGUMENT_KINDS: Readonly<Record<string, ValueKind>> = {
  file: "file",
  subject: "locator",
  locator: "locator",
  dir: "folder",
};

function argumentOf(name: string, declared: Declared): ArgumentReference {
  return {
    name,
    description: declared.description ?? "",
    required: declared.required ?? false,
    kind: ARGUMENT_KINDS[name] ?? "text",
    options: declared.options,
  };
}

function flagOf(name: string, flags: Readonly<Record<string, Declared>>): FlagReference {
  const declared = flags[name] as Declared;
  // Said on one side, it holds for both.
  const excluding = Object.keys(flags).filter((other) => flags[other]?.exclusive?.includes(name));
  const value = declared.type === "option" ? (declared.helpValue ?? name.toUpperCase()) : undefined;
  return {
    name,
    char: declared.char,
    description: declared.description ?? "",
    value: declared.options === undefined ? value : declared.options.join("|"),
    kind: kindOf(declared.options === undefined ? value : undefined),
    options: declared.options,
    multiple: declared.multiple ?? false,
    delimiter: declared.delimiter,
    default: typeof declared.default === "string" ? declared.default : undefined,
    global: declared.helpGroup === "GLOBAL",
    exclusive: [...new Set([...(declared.exclusive ?? []), ...excluding])],
    dependsOn: declared.dependsOn ?? [],
  };
}

/** The commands name the values of their flags; files and folders have these names everywhere. */
function kindOf(value: string | undefined): ValueKind {
  if (/^(?:FILE|PATH)\b/.test(value ?? "")) return "file";
  if (value === "LOCATOR") return "locator";
  return /^(?:DIR|FOLDER)\b/.test(value ?? "") ? "folder" : "text";
}

/** A piece of a description. `block` is to be kept line by line; `text` may be wrapped anywhere. */
export interface Piece {
  readonly kind: "text" | "block";
  readonly lines: readonly string[];
}

/** The description in pieces: indented lines belong together, and so do the lines between empty ones. */
export function piecesOf(description: string): readonly Piece[] {
  const pieces: { kind: Piece["kind"]; lines: string[] }[] = [];
  let open = false;
  for (const line of description.split("\n")) {
    if (line.trim() === "") {
      open = false;
      continue;
    }
    const kind = line.startsWith("  ") ? "block" : "text";
    const last = pieces.at(-1);
    if (open && last?.kind === kind) last.lines.push(line.trimEnd());
    else pieces.push({ kind, lines: [line.trimEnd()] });
    open = true;
  }
  return pieces.map(({ kind, lines }) => ({
    kind,
    lines: kind === "block" ? lines.map((line) => line.slice(2)) : lines,
  }));
}

/** `-o, --output FILE`, the way a flag is introduced. */
export function flagWords({ name, char, value, multiple }: FlagReference): string {
  const short = char === undefined ? "" : `-${char}, `;
  return `${short}--${name}${value === undefined ? "" : ` ${value}${multiple ? "..." : ""}`}`;
}

/** The first sentence of a description, for where there is one line. */
export function brief(description: string): string {
  return (description.split(/[.;:] |[.;:]?$/)[0] as string).trim();
}

/** What the flags that exclude it or that it needs are, as a sentence; empty when there are none. */
export function flagRelations({ exclusive, dependsOn }: FlagReference): string {
  const names = (list: readonly string[]) => list.map((name) => `--${name}`).join(", ");
  return [
    dependsOn.length === 0 ? "" : `Needs ${names(dependsOn)}.`,
    exclusive.length === 0 ? "" : `Not together with ${names(exclusive)}.`,
  ]
    .filter(Boolean)
    .join(" ");
}
