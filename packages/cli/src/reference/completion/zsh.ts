/** Completion for zsh: a file for a folder of `fpath`, or to be sourced after `compinit`. */
import { brief, type CommandReference, type FlagReference, type ValueKind } from "../command.ts";
import { LOCATOR_FORMS } from "../locators.ts";
import { argumentWords } from "./words.ts";

const ACTIONS: Readonly<Record<ValueKind, string>> = {
  file: "_files",
  folder: "_files -/",
  locator: "_initwrap_locators",
  text: " ",
};

export function zshCompletion(commands: readonly CommandReference[]): string {
  const described = commands.map(({ name, summary }) => quoted(`${name}:${colons(brief(summary))}`));
  return `#compdef initwrap
# zsh completion for initwrap, made by: initwrap completion zsh

_initwrap_commands() {
  local -a commands=(
    ${[...described, "'help:Show the help of a command'"].join("\n    ")}
  )
  _describe -t commands command commands
}

_initwrap_locators() {
  # Behind the colon only a path can be completed.
  if compset -P '*:'; then _files; return; fi
  local -a places=(
    ${LOCATOR_FORMS.map(({ scheme, form, meaning }) => quoted(`${scheme}:${meaning}, ${form}`)).join("\n    ")}
  )
  local found=1
  _describe -t places place places -S : && found=0
  _files && found=0
  return found
}

_initwrap() {
  local curcontext=$curcontext state line
  _arguments -C '(- 1 *)--help[Show help]' '(- 1 *)--version[Show the version]' '1:command:_initwrap_commands' '*:: :->rest'
  [[ $state == rest ]] || return
  curcontext=\${curcontext%:*}-$words[1]:
  case $words[1] in
    help) _arguments '1:command:_initwrap_commands' ;;
${commands.map((command) => commandCase(command, commands)).join("\n")}
  esac
}

if [[ $funcstack[1] == _initwrap ]]; then
  _initwrap "$@"
else
  compdef _initwrap initwrap
fi
`;
}

function commandCase(command: CommandReference, commands: readonly CommandReference[]): string {
  const specs = [...command.flags.map(flagSpec), "'(- *)--help[Show help]'", ...argumentSpec(command, commands)];
  return `    ${command.name})\n      _arguments -s -S \\\n        ${specs.join(" \\\n        ")}\n      ;;`;
}

/** `(-o --output)` keeps one spelling from being offered when the other is there. */
function flagSpec(flag: FlagReference): string {
  const text = `[${brackets(brief(flag.description))}]${valueSpec(flag)}`;
  const long = `--${flag.name}${flag.value === undefined ? "" : "="}`;
  const repeated = flag.multiple ? "*" : "";
  if (flag.char === undefined) return quoted(`${repeated}${long}${text}`);
  const short = `-${flag.char}${flag.value === undefined ? "" : "+"}`;
  const apart = flag.multiple ? "'*'" : `'(-${flag.char} --${flag.name})'`;
  return `${apart}{${short},${long}}${quoted(text)}`;
}

function valueSpec({ value, kind, options, name }: FlagReference): string {
  if (value === undefined) return "";
  return `:${name}:${options === undefined ? ACTIONS[kind] : `(${options.join(" ")})`}`;
}

function argumentSpec(command: CommandReference, commands: readonly CommandReference[]): readonly string[] {
  if (command.name === "run") return ["'*:::command: _normal -p initwrap'"];
  const words = argumentWords(command, commands);
  const [argument] = command.args;
  if (argument === undefined) return [];
  if (words !== undefined) return [quoted(`1:${argument.name}:(${words.join(" ")})`)];
  return [quoted(`*:${argument.name}:${ACTIONS[argument.kind]}`)];
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function brackets(text: string): string {
  return text.replace(/[[\]:\\]/g, "\\$&");
}

function colons(text: string): string {
  return text.replace(/[:\\]/g, "\\$&");
}
