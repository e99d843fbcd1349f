/** Completion for fish, 3.0 and later. */
import { brief, type CommandReference, type FlagReference } from "../command.ts";
import { LOCATOR_FORMS } from "../locators.ts";
import { argumentWords } from "./words.ts";

export function fishCompletion(commands: readonly CommandReference[]): string {
  const names = commands.map(({ name }) => name);
  return `# fish completion for initwrap, made by: initwrap completion fish

# Whether the command is this one: the first word that is no flag. Without a name, whether there is none yet.
function __initwrap_command
    for word in (commandline -opc)[2..-1]
        string match -q -- '-*' $word; and continue
        test "$word" = "$argv[1]"
        return
    end
    test -z "$argv[1]"
end

# What stands behind --, as a command line of its own.
function __initwrap_subcommand
    set -l words (commandline -opc)
    set -l dashes (contains -i -- -- $words); or return
    complete -C (string join ' ' -- (string escape -- $words[(math $dashes + 1)..-1]) (commandline -ct))
end

# The places that hold images, but for paths.
function __initwrap_locators
    printf '%s:\\t%s\\n' ${LOCATOR_FORMS.map(({ scheme, form, meaning }) => `${scheme} ${quoted(`${meaning}, ${form}`)}`).join(" ")}
end

complete -c initwrap -f
complete -c initwrap -n __initwrap_command -l help -d 'Show help'
complete -c initwrap -n __initwrap_command -l version -d 'Show the version'
${commands.map(({ name, summary }) => `complete -c initwrap -n __initwrap_command -a ${name} -d ${quoted(brief(summary))}`).join("\n")}
complete -c initwrap -n __initwrap_command -a help -d 'Show the help of a command'
complete -c initwrap -n '__initwrap_command help' -a ${quoted(names.join(" "))}
${commands.flatMap((command) => commandLines(command, commands)).join("\n")}
`;
}

function commandLines(command: CommandReference, commands: readonly CommandReference[]): readonly string[] {
  const start = `complete -c initwrap -n '__initwrap_command ${command.name}'`;
  const flags = command.flags.map((flag) => `${start} ${flagWords(flag)}`);
  return [
    ...flags,
    `${start} -l help -d 'Show help'`,
    ...argumentLines(command, commands).map((line) => `${start} ${line}`),
  ];
}

function flagWords(flag: FlagReference): string {
  const names = `-l ${flag.name}${flag.char === undefined ? "" : ` -s ${flag.char}`}`;
  return [names, valueWords(flag), `-d ${quoted(brief(flag.description))}`].filter(Boolean).join(" ");
}

function valueWords({ value, kind, options }: FlagReference): string {
  if (value === undefined) return "";
  if (options !== undefined) return `-x -a ${quoted(options.join(" "))}`;
  if (kind === "file") return "-r -F";
  if (kind === "locator") return "-r -F -a '(__initwrap_locators)'";
  return kind === "folder" ? "-x -a '(__fish_complete_directories (commandline -ct))'" : "-x";
}

function argumentLines(command: CommandReference, commands: readonly CommandReference[]): readonly string[] {
  if (command.name === "run") return ["-a '(__initwrap_subcommand)'"];
  const words = argumentWords(command, commands);
  if (words !== undefined) return [`-a ${quoted(words.join(" "))}`];
  switch (command.args[0]?.kind) {
    case "file":
      return ["-F"];
    case "locator":
      return ["-F -a '(__initwrap_locators)'"];
    case "folder":
      return ["-a '(__fish_complete_directories (commandline -ct))'"];
    default:
      return [];
  }
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
