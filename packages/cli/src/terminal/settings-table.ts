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

/** The file, and a block for each command. */
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
        (setting) =>
          [
            `--${setting.flag.name}`,
            valueText(setting),
            sourceText(setting, all ? variableOf(setting, command.name, names) : undefined),
          ] as const,
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

/** About files further up, which someone may have expected to count as well. */
export function passedOverLines(files: readonly string[]): readonly string[] {
  return files.map((file) => `${file} does not count: the nearest file does, alone`);
}

/** About what looks like a secret in the file, once for each place: the file is part of the repository. */
export function secretLines(effective: readonly EffectiveOf[]): readonly string[] {
  const lines = effective.flatMap(({ settings }) =>
    settings.flatMap(({ values, source }) =>
      source.kind === "file" && values.some((value) => withoutSecrets(value) !== value)
        ? [
            `${source.path}:${source.line} (${source.key}) looks like a secret: keep it out of the repository, in a variable`,
          ]
        : [],
    ),
  );
  return [...new Set(lines)];
}

/** About variables that begin as settings do, and are none. */
export function otherLines(others: Others): readonly string[] {
  return others.map(({ name, isInits, meant }) => {
    if (isInits) return `${name} is a variable of the init, and no setting`;
    return `${name} is no setting${meant === undefined ? "" : `; did you mean ${meant}?`}`;
  });
}

function documentOf({ flag, values, source, unused, also }: Effective) {
  const shown = values.map(withoutSecrets);
  const value = flag.value === undefined ? shown[0] === "true" : flag.multiple ? shown : (shown[0] ?? null);
  const { kind } = source;
  return {
    value,
    source: kind,
    ...(source.kind === "variable" ? { variable: source.name } : {}),
    ...(source.kind === "file" ? { file: source.path, line: source.line, key: source.key } : {}),
    ...(also === undefined ? {} : { also }),
    ...(unused === undefined ? {} : { unused }),
  };
}

function valueText({ flag, values, source }: Effective): string {
  if (source.kind === "none") return "-";
  if (flag.value === undefined) return values[0] === "true" ? "yes" : "no";
  return values.map((value) => (value === "" ? '""' : withoutSecrets(value))).join(" ");
}

/** The variable that would set it. */
function variableOf({ flag }: Effective, command: string, names: readonly SettingName[]): string | undefined {
  return names.find((name) => name.command === command && name.flag.name === flag.name)?.variable;
}

function sourceText({ source, unused, also }: Effective, variable: string | undefined): string {
  const more = also === undefined ? "" : ` and ${also}`;
  return `${placeOf(source, variable)}${more}${unused === undefined ? "" : `, not used: ${unused}`}`;
}

function placeOf(source: Source, variable: string | undefined): string {
  switch (source.kind) {
    case "flag":
      return "command line";
    case "default":
      return variable === undefined ? "built in" : `built in (${variable})`;
    case "variable":
      return source.name;
    case "file":
      return `${source.path}:${source.line} (${source.key})`;
    case "none":
      return variable ?? "";
  }
}
