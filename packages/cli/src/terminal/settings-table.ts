/** Settings as a table for people, and as a document. Nothing that looks like a secret gets into either. */
import type { CommandReference } from "../reference/command.ts";
import type { SettingName } from "../reference/settings.ts";
import type { Effective, OtherVariable, Source } from "../settings/effective.ts";
import { withoutSecrets } from "../settings/secrets.ts";
import type { Paint } from "./colour.ts";

export interface EffectiveOf {
  readonly command: CommandReference;
  readonly settings: readonly Effective[];
}

type Others = readonly OtherVariable[];

/** The file, and a block for each command that has something set. */
export function settingsLines({
  file,
  effective,
  all,
  names,
  paint,
}: {
  readonly file: string | undefined;
  readonly effective: readonly EffectiveOf[];
  readonly all: boolean;
  readonly names: readonly SettingName[];
  readonly paint: Paint;
}): readonly string[] {
  const lines = [file === undefined ? "no configuration file" : `configuration file: ${file}`];
  for (const { command, settings } of effective) {
    const rows = settings
      .filter(({ source }) => all || source.kind !== "none")
      .filter(({ flag }) => flag.name !== "config" && flag.name !== "no-config")
      .map(
        (setting) => [`--${setting.flag.name}`, valueText(setting), sourceText(setting, command.name, names)] as const,
      );
    if (rows.length === 0) continue;
    const widths = [0, 1].map((column) => Math.max(...rows.map((row) => (row[column] as string).length)));
    lines.push("", paint("bold", command.name));
    for (const [flag, value, source] of rows) {
      lines.push(
        `  ${flag.padEnd(widths[0] as number)}  ${value.padEnd(widths[1] as number)}  ${paint("dim", source)}`.trimEnd(),
      );
    }
  }
  return lines;
}

/** What `initwrap config --json` prints: schemas/config.schema.json. */
export function settingsDocument({
  file,
  effective,
  others,
  all,
}: {
  readonly file: string | undefined;
  readonly effective: readonly EffectiveOf[];
  readonly others: Others;
  readonly all: boolean;
}) {
  const commands = effective.map(({ command, settings }) => {
    const shown = settings.filter(({ source }) => all || source.kind !== "none");
    return [command.name, Object.fromEntries(shown.map((setting) => [setting.flag.name, documentOf(setting)]))];
  });
  return {
    version: 1 as const,
    command: "config",
    file: file ?? null,
    commands: Object.fromEntries(commands),
    otherVariables: others.map(({ name }) => name),
  };
}

/** About variables that begin as settings do, and are none. */
export function otherLines(others: Others): readonly string[] {
  return others.map(({ name, isInits, meant }) => {
    if (isInits) return `${name} is a variable of the init, and no setting`;
    return `${name} is no setting${meant === undefined ? "" : `; did you mean ${meant}?`}`;
  });
}

function documentOf({ flag, values, source, unused }: Effective) {
  const shown = values.map(withoutSecrets);
  const value = flag.value === undefined ? shown[0] === "true" : flag.multiple ? shown : (shown[0] ?? null);
  const { kind } = source;
  return {
    value,
    source: kind,
    ...(source.kind === "variable" ? { variable: source.name } : {}),
    ...(source.kind === "file" ? { file: source.path, line: source.line, key: source.key } : {}),
    ...(unused === undefined ? {} : { unused }),
  };
}

function valueText({ flag, values, source }: Effective): string {
  if (source.kind === "none") return "-";
  if (flag.value === undefined) return values[0] === "true" ? "yes" : "no";
  return values.map((value) => (value === "" ? '""' : withoutSecrets(value))).join(" ");
}

function sourceText({ flag, source, unused }: Effective, command: string, names: readonly SettingName[]): string {
  const place = placeOf(source, () => {
    const own = names.find((name) => name.command === command && name.flag.name === flag.name);
    return own?.variable ?? "";
  });
  return unused === undefined ? place : `${place}, not used: ${unused}`;
}

function placeOf(source: Source, variable: () => string): string {
  switch (source.kind) {
    case "flag":
      return "command line";
    case "default":
      return "built in";
    case "variable":
      return source.name;
    case "file":
      return `${source.path}:${source.line} (${source.key})`;
    case "none":
      return variable();
  }
}
