/**
 * Taking another init's place: its options read as it reads them itself, and said in ours.
 *
 * tini and catatonit leave their options to the C library's getopt. musl's stops at the first word that is no option;
 * glibc's goes on behind the program and takes options, and one `--`, from there. Where both readings of a command work and
 * differ, nobody can know which one the image has, and nothing is replaced. dumb-init asks for the first reading itself.
 *
 * Sources: tini(1) 0.19, dumb-init's help text 1.2.5, catatonit's usage line 0.1.7; getopt(3). What each does by default is
 * measured: tini and catatonit signal their child alone, dumb-init the session that it makes for it.
 */
import type { Invocation } from "./invocation.ts";

/** The value of an environment variable of the image, or undefined. The inits read a few. */
export type ImageVariable = (name: string) => string | undefined;

export type Replacement =
  | {
      readonly kind: "replaced";
      /** What the old init's options are in ours. */
      readonly options: readonly string[];
      /** Options of the old init that ours has no use for and that people may miss. */
      readonly dropped: readonly string[];
      /** The entrypoint behind the old init and its options. */
      readonly entrypoint: readonly string[];
    }
  | { readonly kind: "refused"; readonly reason: string };

/** What an option of another init asks for. */
type Meaning =
  | "group"
  | "alone"
  | "verbose"
  | "rewrite"
  | "exit-map"
  | "pdeathsig"
  | "needless"
  | "missed"
  | "only-tells";

interface Option {
  readonly letter: string;
  readonly name?: string;
  readonly meaning: Meaning;
  /** What its value must look like; an option without takes none. */
  readonly value?: RegExp;
}

interface Grammar {
  readonly options: readonly Option[];
  /** Whether signals go to the command's whole group when no option says so. */
  readonly group: boolean;
  /** Whether it takes options from behind the program when glibc is its C library. */
  readonly permutes: boolean;
  /** What it reads from the environment. */
  readonly variables: (value: ImageVariable) => readonly Meaning[];
}

const EXIT_CODE = /^(?:25[0-5]|2[0-4]\d|1?\d?\d)$/;
const SIGNAL_NAME = /^SIG[A-Z]+\d?$/;
const SIGNAL_PAIR = /^(?:3[01]|[12]\d|[1-9]):(?:3[01]|[12]?\d)$/;

const TINI: Grammar = {
  group: false,
  permutes: true,
  options: [
    { letter: "g", meaning: "group" },
    { letter: "s", meaning: "needless" },
    { letter: "w", meaning: "missed" },
    { letter: "v", meaning: "verbose" },
    { letter: "p", meaning: "pdeathsig", value: SIGNAL_NAME },
    { letter: "e", meaning: "exit-map", value: EXIT_CODE },
    { letter: "h", meaning: "only-tells" },
    { letter: "l", meaning: "only-tells" },
  ],
  variables: (value) => [
    ...(value("TINI_KILL_PROCESS_GROUP") === undefined ? [] : (["group"] as const)),
    // 1 is tini's default; ours is silent, and has one more level.
    ...(Number.parseInt(value("TINI_VERBOSITY") ?? "", 10) > 1 ? (["verbose"] as const) : []),
  ],
};

const DUMB_INIT: Grammar = {
  group: true,
  permutes: false,
  options: [
    { letter: "c", name: "single-child", meaning: "alone" },
    { letter: "r", name: "rewrite", meaning: "rewrite", value: SIGNAL_PAIR },
    { letter: "v", name: "verbose", meaning: "verbose" },
    { letter: "h", name: "help", meaning: "only-tells" },
    { letter: "V", name: "version", meaning: "only-tells" },
  ],
  variables: (value) => [
    ...(value("DUMB_INIT_SETSID") === "0" ? (["alone"] as const) : []),
    ...(value("DUMB_INIT_DEBUG") === "1" ? (["verbose"] as const) : []),
  ],
};

const CATATONIT: Grammar = {
  group: false,
  permutes: true,
  options: [
    { letter: "g", meaning: "group" },
    { letter: "P", meaning: "only-tells" },
    { letter: "h", meaning: "only-tells" },
    { letter: "L", meaning: "only-tells" },
    { letter: "V", meaning: "only-tells" },
  ],
  variables: (value) => (value("CATATONIT_DEBUG") === undefined ? [] : ["verbose"]),
};

const GRAMMARS: ReadonlyMap<string, Grammar> = new Map([
  ["tini", TINI],
  ["dumb-init", DUMB_INIT],
  ["catatonit", CATATONIT],
]);

/**
 * Replaces the init `name` that `invocation`'s entrypoint begins with. `value` looks up the image's environment.
 * Refused: options that ours cannot stand for, options that CMD holds, and commands that C libraries read differently.
 */
export function replaceInit(name: string, invocation: Invocation, value: ImageVariable): Replacement {
  const grammar = GRAMMARS.get(name);
  if (grammar === undefined) return refused(`initwrap does not know the options of ${name}`);
  const words = (invocation.entrypoint ?? []).slice(1);
  const read = readOptions(grammar, words);
  if (typeof read === "string") return refused(read);
  const argv = [...words.slice(read.end), ...(invocation.cmd ?? [])];
  if (!read.closed) {
    const [first = ""] = words.slice(read.end).length === 0 ? (invocation.cmd ?? []) : [];
    if (isOption(first) || first === "--") return refused(`CMD holds options of ${name}`);
    if (grammar.permutes && readsTwoWays(grammar, argv)) {
      return refused(`whether options behind the program are ${name}'s depends on its C library`);
    }
  }
  const meant = [...grammar.variables(value).map((meaning) => ({ meaning, word: "", value: "" })), ...read.found];
  return { kind: "replaced", ...ours(grammar, meant), entrypoint: words.slice(read.end) };
}

interface Found {
  readonly meaning: Meaning;
  /** The option by its letter, for it may stand among others in one word. */
  readonly word: string;
  readonly value: string;
}

interface Read {
  readonly found: readonly Found[];
  /** Index of the first word behind the options and their `--`. */
  readonly end: number;
  /** True when a `--` ended them. */
  readonly closed: boolean;
}

/** Reads options up to the first word that is none; a sentence about the first that cannot be taken over. */
function readOptions(grammar: Grammar, words: readonly string[]): Read | string {
  const found: Found[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    if (word === "--") return { found, end: at + 1, closed: true };
    if (!isOption(word)) return { found, end: at, closed: false };
    const named = word.startsWith("--") ? [longOption(grammar, word)] : letters(grammar, word);
    for (const one of named) {
      if (one === undefined) return `${word} is no option of it`;
      if (one.option.meaning === "only-tells") return `${word} makes it run no command`;
      if (one.option.value === undefined && one.value !== undefined) return `${word} takes no value`;
      let value = "";
      if (one.option.value !== undefined) {
        const text = one.value ?? words[++at];
        if (text === undefined) return `the value of ${word} is not in ENTRYPOINT`;
        if (!one.option.value.test(text)) return `${text} is no value for ${word}`;
        value = text;
      }
      found.push({ meaning: one.option.meaning, word: `-${one.option.letter}`, value });
    }
  }
  return { found, end: words.length, closed: false };
}

/** The letters of `-gvp`; one that takes a value has the rest of the word for it. */
function letters(
  grammar: Grammar,
  word: string,
): readonly ({ readonly option: Option; readonly value?: string } | undefined)[] {
  const read: ({ option: Option; value?: string } | undefined)[] = [];
  for (let at = 1; at < word.length; at++) {
    const option = grammar.options.find(({ letter }) => letter === word[at]);
    if (option?.value === undefined) read.push(option && { option });
    else {
      const rest = word.slice(at + 1);
      return [...read, rest === "" ? { option } : { option, value: rest }];
    }
  }
  return read;
}

/** `--rewrite=15:3`; a name may be cut short as long as one option alone begins so. */
function longOption(grammar: Grammar, word: string): { option: Option; value?: string } | undefined {
  const equals = word.indexOf("=");
  const name = word.slice(2, equals < 0 ? undefined : equals);
  const candidates = grammar.options.filter((option) => option.name?.startsWith(name));
  const option = candidates.find((one) => one.name === name) ?? (candidates.length === 1 ? candidates[0] : undefined);
  return option && { option, ...(equals < 0 ? {} : { value: word.slice(equals + 1) }) };
}

/** True when a getopt that looks behind the program would succeed too, and give the program other arguments. */
function readsTwoWays(grammar: Grammar, argv: readonly string[]): boolean {
  let isOther = false;
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] as string;
    if (word !== "--" && !isOption(word)) continue;
    const behind = readOptions(grammar, argv.slice(at));
    // It would run nothing and end with a message, so an image that has this command has the other getopt.
    if (typeof behind === "string") return false;
    isOther = true;
    if (behind.closed) return true;
    at += behind.end - 1;
  }
  return isOther;
}

function ours(
  grammar: Grammar,
  found: readonly Found[],
): { readonly options: readonly string[]; readonly dropped: readonly string[] } {
  let { group } = grammar;
  const options: string[] = [];
  const dropped: string[] = [];
  for (const { meaning, word, value } of found) {
    if (meaning === "group") group = true;
    else if (meaning === "alone") group = false;
    else if (meaning === "verbose") options.push("-v");
    else if (meaning === "missed") dropped.push(word);
    else if (meaning !== "needless" && meaning !== "only-tells") options.push(`--${meaning}=${value}`);
  }
  return { options: [group ? "-g" : "--no-group", ...options], dropped };
}

function isOption(word: string): boolean {
  return word.length > 1 && word.startsWith("-");
}

function refused(reason: string): Replacement {
  return { kind: "refused", reason };
}
