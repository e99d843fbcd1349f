/**
 * The init programs that images already carry, known by the file name of the first argument.
 *
 * `transparent` ones do the same job as ours: an image that starts with one is left alone unless a replacement is asked
 * for. `supervisor` ones run a tree of services as PID 1, and nothing goes in front of them: most insist on being PID 1; those
 * that do not are inits of their own, and another one has nothing to do there unless it is asked for.
 */
import { baseName, isShell } from "./program-name.ts";

export interface KnownInit {
  readonly name: string;
  readonly kind: "transparent" | "supervisor";
  /** A supervisor that works behind an init as it does alone. */
  readonly yields?: true;
}

const TRANSPARENT: Readonly<Record<string, string>> = {
  tini: "tini",
  "docker-init": "tini",
  "dumb-init": "dumb-init",
  catatonit: "catatonit",
  pid1: "pid1",
};

const SUPERVISOR: Readonly<Record<string, string>> = {
  systemd: "systemd",
  my_init: "my_init",
  "s6-svscan": "s6",
  "s6-overlay-suexec": "s6-overlay",
  "runsvdir-start": "runit",
  supervisord: "supervisord",
};

/** No setting of supervisord makes it need to be PID 1: test/init/supervisord.test.ts has it behind the init. */
const YIELDING: ReadonlySet<string> = new Set(["supervisord"]);

/** Names under which releases are downloaded: `tini-static-amd64`, `dumb-init_1.2.5_x86_64`. */
const RELEASES: readonly (readonly [RegExp, string])[] = [
  [/^tini(-static|-muslc)?(-(amd64|arm64|armel|armhf|i386|mips64el|ppc64el|ppc64le|s390x))?$/, "tini"],
  [/^dumb-init_\d[\d.]*_[a-z0-9_]+$/, "dumb-init"],
  [/^catatonit\.[a-z0-9_]+$/, "catatonit"],
];

/** Absolute paths whose last component alone says too little: `/init` is s6-overlay's, `/sbin/init` a system's. */
const SUPERVISOR_PATHS: Readonly<Record<string, string>> = {
  "/init": "s6-overlay",
  "/sbin/init": "systemd or another system init",
  "/usr/sbin/init": "systemd or another system init",
  "/lib/systemd/systemd": "systemd",
  "/usr/lib/systemd/systemd": "systemd",
};

/**
 * Programs that give way to the one that they start: how many words of their own come before its name, and which options have
 * their value in the next word.
 */
const WRAPPERS: Readonly<Record<string, { readonly operands: number; readonly valued?: string }>> = {
  env: { operands: 0, valued: "uC" },
  gosu: { operands: 1 },
  "su-exec": { operands: 1 },
  chroot: { operands: 1 },
  nice: { operands: 0, valued: "n" },
  ionice: { operands: 0, valued: "cn" },
  nohup: { operands: 0 },
  stdbuf: { operands: 0, valued: "ioe" },
};

/**
 * The init that `argv` starts with, or undefined. Looks through the wrappers that give way to the program they start: `env` and
 * others, an interpreter in front of a script, and a shell whose text is `exec PROGRAM ...`. A supervisor is also seen right
 * behind a script, as in `["/entrypoint.sh", "/sbin/init"]` or `["sh", "/entrypoint.sh", "/sbin/init"]`: the script ends by
 * executing it, or it would not be PID 1.
 */
export function knownInit(argv: readonly string[]): KnownInit | undefined {
  const found = initNamed(programOf(argv));
  if (found !== undefined) return found;
  const [first, second, third] = argv;
  const isShellScript = isShell(first) && second !== undefined && !second.startsWith("-");
  const handedOver = initNamed(second) ?? (isShellScript ? initNamed(third) : undefined);
  return handedOver?.kind === "supervisor" ? handedOver : undefined;
}

function initNamed(program: string | undefined): KnownInit | undefined {
  if (program === undefined) return undefined;
  const path = own(SUPERVISOR_PATHS, program);
  if (path !== undefined) return { name: path, kind: "supervisor" };
  const base = baseName(program);
  const supervisor = own(SUPERVISOR, base);
  if (supervisor !== undefined) {
    return { name: supervisor, kind: "supervisor", ...(YIELDING.has(supervisor) ? { yields: true } : {}) };
  }
  const transparent = own(TRANSPARENT, base) ?? RELEASES.find(([pattern]) => pattern.test(base))?.[1];
  return transparent === undefined ? undefined : { name: transparent, kind: "transparent" };
}

/** The word that names the program really executed. */
function programOf(argv: readonly string[]): string | undefined {
  const [first, ...rest] = argv;
  const base = baseName(first);
  const wrapper = own(WRAPPERS, base);
  if (wrapper !== undefined) return programOf(rest.slice(startOfProgram(rest, wrapper)));
  if (/^python[\d.]*$/.test(base)) return rest.find((word) => !word.startsWith("-")) ?? first;
  if (isShell(first)) {
    const script = /^-[a-z]*c$/.test(rest[0] ?? "") ? rest[1] : undefined;
    return /^\s*exec\s+([^\s;&|<>()$`"'\\]+)/.exec(script ?? "")?.[1] ?? first;
  }
  return first;
}

/** Where a wrapper's own words end: options, variables, operands. */
function startOfProgram(words: readonly string[], { operands, valued = "" }: (typeof WRAPPERS)[string]): number {
  let at = 0;
  for (; at < words.length; at++) {
    const word = words[at] as string;
    if (word === "--") {
      at++;
      break;
    }
    if (/^-[A-Za-z]$/.test(word) && valued.includes(word[1] as string)) at++;
    else if (!word.startsWith("-")) break;
  }
  while (/^[A-Za-z_]\w*=/.test(words[at] ?? "")) at++;
  return at + operands;
}

function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
