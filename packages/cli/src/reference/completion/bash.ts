/**
 * Completion for bash, 3.2 and later, without the bash-completion package. `=` and `:` end a word for bash, so that a flag
 * and its value after `=` are three words.
 */
import type { CommandReference, ValueKind } from "../command.ts";
import { LOCATOR_FORMS } from "../locators.ts";
import { argumentWords } from "./words.ts";

const WORDS: Readonly<Record<ValueKind, string>> = {
  file: "__initwrap_files -f; ",
  folder: "__initwrap_files -d; ",
  locator: "__initwrap_locators; ",
  text: "",
};

export function bashCompletion(commands: readonly CommandReference[]): string {
  const names = commands.map(({ name }) => name);
  return `# bash completion for initwrap, made by: initwrap completion bash
__initwrap_reply() {
  local line
  # Line by line: a name may have blanks and stars in it.
  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$@" -- "$cur")
}

__initwrap_files() {
  compopt -o filenames 2>/dev/null
  __initwrap_reply "$1"
}

__initwrap_locators() {
  local isPath=
  # Behind the colon, which is a word of its own, only a path can be completed.
  if [[ $cur == : || $flag == : ]]; then isPath=1; fi
  if [[ $cur == : ]]; then cur=; fi
  __initwrap_files -f
  if [[ -n $isPath ]]; then return; fi
  local files=\${#COMPREPLY[@]}
  __initwrap_reply -W '${LOCATOR_FORMS.map(({ scheme }) => `${scheme}:`).join(" ")}'
  ((\${#COMPREPLY[@]} == files)) && return
  # A colon is no part of a file's name here, and more follows it.
  compopt +o filenames -o nospace 2>/dev/null
}

_initwrap() {
  local cur=\${COMP_WORDS[COMP_CWORD]} flag=\${COMP_WORDS[COMP_CWORD-1]} command='' dashes='' place=0 index word
  COMPREPLY=()
  if [[ $cur == = ]]; then
    cur=
  elif [[ $flag == = ]]; then
    flag=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    if [[ $word == -- ]]; then
      dashes=$index
      break
    elif [[ -z $command && $word != -* ]]; then
      command=$word
      place=$index
    fi
  done
  if [[ -n $dashes ]]; then
    if [[ $command == run && $((dashes + 1)) -eq $COMP_CWORD ]]; then __initwrap_reply -c; else __initwrap_files -f; fi
    return
  fi
  if [[ $flag == -* && $flag != *=* ]]; then
    case "$command $flag" in
${commands.flatMap(flagCases).join("\n")}
    esac
  fi
  case $command in
    '') __initwrap_reply -W '${[...names, "help", "--help", "--version"].join(" ")}' ;;
    help) __initwrap_reply -W '${names.join(" ")}' ;;
${commands.map((command) => commandCase(command, commands)).join("\n")}
  esac
}

complete -F _initwrap initwrap
`;
}

/** The flags with a value, each with what completes it. */
function flagCases({ name, flags }: CommandReference): readonly string[] {
  return flags
    .filter(({ value }) => value !== undefined)
    .map((flag) => {
      const spellings = [`--${flag.name}`, ...(flag.char === undefined ? [] : [`-${flag.char}`])];
      const patterns = spellings.map((spelling) => `'${name} ${spelling}'`).join(" | ");
      return `      ${patterns}) ${valueWords(flag.kind, flag.options)}return ;;`;
    });
}

function commandCase(command: CommandReference, commands: readonly CommandReference[]): string {
  const flags = [...command.flags.map(({ name }) => `--${name}`), "--help"].join(" ");
  const [argument] = command.args;
  const words = argumentWords(command, commands);
  // One word of a few is asked for once, files as often as the command takes them.
  const once = words === undefined ? "" : "[[ $place -eq $((COMP_CWORD - 1)) ]] && ";
  const value = valueWords(argument?.kind ?? "text", words).replace(/; $/, "");
  return [
    `    ${command.name})`,
    "      if [[ $cur == -* ]]; then",
    `        __initwrap_reply -W '${flags}'`,
    ...(value === "" ? [] : ["      else", `        ${once}${value}`]),
    "      fi",
    "      ;;",
  ].join("\n");
}

function valueWords(kind: ValueKind, options: readonly string[] | undefined): string {
  if (options !== undefined) return `__initwrap_reply -W '${options.join(" ")}'; `;
  return WORDS[kind];
}
