/**
 * What BuildKit demands of one instruction before anything is built: known keyword, known flags, number of arguments.
 * Messages are BuildKit's own. Source: moby/buildkit, frontend/dockerfile/instructions, read for its behaviour.
 */
import { heredocOf } from "./heredoc.ts";
import { suggest } from "./suggest.ts";
import type { Instruction } from "./syntax.ts";
import { decode } from "./text.ts";

export interface Fault {
  readonly message: string;
  readonly hint?: string;
}

type FlagKind = "boolean" | "string" | "strings";
type Check = (instruction: Checked) => Fault | string | undefined;
type Checked = Pick<Instruction, "keyword" | "flags" | "words" | "exec" | "argument" | "trigger">;

interface Rule {
  readonly flags?: Readonly<Record<string, FlagKind>>;
  readonly check: Check;
}

const exactlyOne: Check = ({ keyword, words }) =>
  words.length === 1 ? undefined : `${keyword} requires exactly one argument`;
const atLeastOne: Check = ({ keyword, words }) =>
  words.length > 0 ? undefined : `${keyword} requires at least one argument`;
const anything: Check = () => undefined;

const named: Check = (instruction) => {
  const { keyword, words } = instruction;
  const blank = words.some((word, index) => index % 2 === 0 && word === "");
  return atLeastOne(instruction) ?? (blank ? `${keyword} names can not be blank` : undefined);
};

const copies: Check = ({ keyword, words }) => {
  if (words.length < 2) {
    return `${keyword} requires at least two arguments, but only one was provided. Destination could not be determined`;
  }
  if (heredocOf(words.at(-1) as string) !== undefined) return `${keyword} cannot accept a heredoc as a destination`;
  return undefined;
};

const from: Check = ({ words }) => {
  if (words.length === 3 && words[1]?.toLowerCase() === "as") {
    const name = words[2] as string;
    const quoted = JSON.stringify(decode(name));
    if (!/^[a-z][a-z0-9-_.]*$/.test(name.toLowerCase())) {
      return `invalid name for build stage: ${quoted}, name can't start with a number or contain symbols`;
    }
    return undefined;
  }
  if (words.length === 1) return undefined;
  return {
    message: "FROM requires either one or three arguments",
    hint: "Write FROM image, or FROM image AS name; a comment needs a line of its own.",
  };
};

const run: Check = ({ flags }) => {
  for (const flag of flags) {
    const [, name, value = ""] = /^--([^=]*)=?([\s\S]*)$/.exec(flag) ?? [];
    if (name === "network" && !["default", "none", "host"].includes(value)) {
      return `invalid network mode ${JSON.stringify(value)}`;
    }
    if (name === "security" && value !== "sandbox" && value !== "insecure") {
      return `security ${JSON.stringify(value)} is not valid`;
    }
  }
  return undefined;
};

const healthcheck: Check = ({ words }) => {
  const [type, ...command] = words;
  if (type === undefined) return "HEALTHCHECK requires at least one argument";
  const kind = type.toUpperCase();
  if (kind === "NONE") return command.length === 0 ? undefined : "HEALTHCHECK NONE takes no arguments";
  if (kind !== "CMD") return `unknown type ${JSON.stringify(decode(kind))} in HEALTHCHECK (try CMD)`;
  return command.length === 0 ? "missing command after HEALTHCHECK CMD" : undefined;
};

const onbuild: Check = ({ words, trigger }) => {
  const name = trigger?.keyword;
  if (words.length === 0 || name === undefined) return "ONBUILD requires at least one argument";
  if (name === "ONBUILD") return "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed";
  if (name === "MAINTAINER" || name === "FROM") return `${name} isn't allowed as an ONBUILD trigger`;
  return undefined;
};

const shell: Check = (instruction) => {
  if (instruction.exec && instruction.words.length > 0) return undefined;
  if (instruction.words.length === 0) return "SHELL requires at least one argument";
  return {
    message: "SHELL requires the arguments to be in JSON form",
    hint: 'Write it as JSON: SHELL ["/bin/bash", "-c"]',
  };
};

const argumentNames: Check = (instruction) =>
  atLeastOne(instruction) ??
  (instruction.words.some((word) => word.startsWith("=")) ? "ARG names can not be blank" : undefined);

const volumes: Check = (instruction) =>
  atLeastOne(instruction) ??
  (instruction.words.some((word) => word.trim() === "") ? "VOLUME specified can not be an empty string" : undefined);

const HEALTH_FLAGS = {
  interval: "string",
  timeout: "string",
  "start-period": "string",
  "start-interval": "string",
  retries: "string",
} as const;

const RULES: Readonly<Record<string, Rule>> = {
  ADD: {
    flags: {
      chown: "string",
      chmod: "string",
      link: "boolean",
      "keep-git-dir": "boolean",
      checksum: "string",
      exclude: "strings",
      unpack: "boolean",
    },
    check: copies,
  },
  ARG: { check: argumentNames },
  CMD: { check: anything },
  COPY: {
    flags: {
      chown: "string",
      from: "string",
      chmod: "string",
      link: "boolean",
      parents: "boolean",
      exclude: "strings",
    },
    check: copies,
  },
  ENTRYPOINT: { check: anything },
  ENV: { check: named },
  EXPOSE: { check: atLeastOne },
  FROM: { flags: { platform: "string" }, check: from },
  HEALTHCHECK: { flags: HEALTH_FLAGS, check: healthcheck },
  LABEL: { check: named },
  MAINTAINER: { check: exactlyOne },
  ONBUILD: { check: onbuild },
  RUN: { flags: { mount: "strings", network: "string", security: "string", device: "strings" }, check: run },
  SHELL: { check: shell },
  STOPSIGNAL: { check: exactlyOne },
  USER: { check: exactlyOne },
  VOLUME: { check: volumes },
  WORKDIR: { check: exactlyOne },
};

const KEYWORDS = Object.keys(RULES);

/** What BuildKit would say against the instruction, or undefined. */
export function checkInstruction(instruction: Checked & Pick<Instruction, "spelled">): Fault | undefined {
  const rule = Object.hasOwn(RULES, instruction.keyword) ? RULES[instruction.keyword] : undefined;
  if (rule === undefined) {
    const { spelled } = instruction;
    const meant = suggest(spelled.toUpperCase(), KEYWORDS);
    const cased = spelled === spelled.toUpperCase() ? meant : meant?.toLowerCase();
    return {
      message: `unknown instruction: ${decode(spelled)}${cased === undefined ? "" : ` (did you mean ${cased}?)`}`,
      ...(spelled.startsWith("{") ? { hint: "This is a template; render it first." } : {}),
    };
  }
  const fault = checkFlags(instruction, rule.flags ?? {}) ?? rule.check(instruction);
  return typeof fault === "string" ? { message: fault } : fault;
}

function checkFlags(instruction: Checked, known: Readonly<Record<string, FlagKind>>): Fault | undefined {
  const seen = new Set<string>();
  for (const flag of instruction.flags) {
    const equals = flag.indexOf("=");
    const name = flag.slice(2, equals < 0 ? undefined : equals);
    const value = equals < 0 ? undefined : flag.slice(equals + 1);
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    if (kind === undefined) {
      const meant = suggest(name, Object.keys(known));
      return {
        message: `unknown flag: --${decode(name)}${meant === undefined ? "" : ` (did you mean ${meant}?)`}`,
        ...(isCommand(instruction.keyword)
          ? { hint: `For an option of the program use the exec form: ${instruction.keyword} ["--${decode(name)}"]` }
          : {}),
      };
    }
    if (seen.has(name) && kind !== "strings") return { message: `duplicate flag specified: --${name}` };
    seen.add(name);
    if (kind !== "boolean" && value === undefined) return { message: `missing a value on flag: --${name}` };
    if (kind === "boolean" && value !== undefined && !["true", "false"].includes(value.toLowerCase())) {
      return {
        message:
          value === ""
            ? `missing a value on flag: --${name}`
            : `expecting boolean value for flag --${name}, not: ${decode(value)}`,
      };
    }
  }
  return undefined;
}

function isCommand(keyword: string): boolean {
  return keyword === "CMD" || keyword === "ENTRYPOINT";
}
