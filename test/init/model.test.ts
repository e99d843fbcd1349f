/**
 * The model of packages/init-core/model, checked by SPIN: the program as it is holds in every state there is, and each
 * broken one breaks the property it should. `MODEL_BOUNDS=larger`, as in `.ci/nightly`, looks at more signals and
 * processes at once.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { which } from "./harness.ts";

const CORE = join(import.meta.dirname, "../../packages/init-core");
const MODEL = join(CORE, "model/init.pml");
/** The deepest search so far went 220 steps down; one that is cut off fails the test. */
const DEPTH = 10_000;
const MINUTES = 60_000;

type Property = "assertions" | "delivered" | "reaped" | "ends";

interface Check {
  readonly property: Property;
  readonly signals: number;
  readonly others: number;
  readonly defines?: readonly string[];
}

interface Verdict {
  /** The first error that the checker found, or undefined. */
  readonly error: string | undefined;
  readonly states: number;
  /** Every state was looked at, one by one: no bound was hit, and no state was represented by a hash alone. */
  readonly complete: boolean;
}

function verify({ property, signals, others, defines = [] }: Check): Verdict {
  const directory = mkdtempSync(join(tmpdir(), "initwrap-model-"));
  const assertions = property === "assertions";
  try {
    const names = [`SIGNALS=${signals}`, `OTHERS=${others}`, ...defines].map((name) => `-D${name}`);
    execFileSync("spin", ["-a", ...names, MODEL], { cwd: directory, stdio: ["ignore", "ignore", "inherit"] });
    // Without a claim, deadlocks are looked for as well. A broken program is found out before an optimiser would pay.
    const compile = [...(assertions ? ["-DNOCLAIM", "-DSAFETY"] : []), defines.length > 0 ? "-O0" : "-O2"];
    execFileSync("gcc", ["-w", ...compile, "-o", "pan", "pan.c"], { cwd: directory, stdio: "inherit" });
    // -a -f: cycles that break the property, with weak fairness: who can always go on, does one day.
    const search = assertions ? [] : ["-a", "-f", "-N", property];
    const { stdout } = spawnSync(join(directory, "pan"), [`-m${DEPTH}`, "-w22", ...search], {
      cwd: directory,
      encoding: "utf8",
    });
    const errors = /errors: (\d+)/.exec(stdout)?.[1];
    if (errors === undefined) throw new Error(stdout);
    const error = /^pan:\d+: (.*?) \(at depth/m.exec(stdout)?.[1]?.trim();
    if (errors !== "0" && error === undefined) throw new Error(stdout);
    return {
      error,
      states: Number(/([\d.e+]+) states, stored/.exec(stdout)?.[1]),
      complete:
        errors === "0" &&
        stdout.includes("Full statespace search for:") &&
        !/max search depth too small|Search not completed|out of memory|truncated/i.test(stdout),
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

beforeEach((context) => {
  requireCapability(context, "spin", which("spin") !== undefined);
  requireCapability(context, "gcc", which("gcc") !== undefined);
});

// Signals and deaths hardly meet: many of one with few of the other is nearly all there is, and much less to look at.
const bounds: readonly Omit<Check, "defines">[] =
  process.env["MODEL_BOUNDS"] === "larger"
    ? [
        { property: "assertions", signals: 2, others: 2 },
        { property: "delivered", signals: 2, others: 1 },
        { property: "reaped", signals: 2, others: 1 },
        { property: "ends", signals: 2, others: 1 },
      ]
    : [
        { property: "assertions", signals: 2, others: 0 },
        { property: "assertions", signals: 1, others: 2 },
        { property: "delivered", signals: 2, others: 0 },
        { property: "reaped", signals: 1, others: 2 },
        { property: "ends", signals: 1, others: 2 },
      ];

test.each(bounds)(
  "$property: holds everywhere, with $signals signals and $others other processes",
  (check) => {
    const verdict = verify(check);
    expect(verdict).toEqual({ error: undefined, complete: true, states: expect.any(Number) });
    expect(verdict.states).toBeGreaterThan(100_000);
  },
  30 * MINUTES,
);

const CYCLE = "acceptance cycle";

/** What is broken, what then fails first, and how the checker says so. */
const broken: readonly (readonly [defines: string, property: Property, error: string, signals?: number])[] = [
  ["BLOCK_SECOND", "delivered", CYCLE],
  ["MASK_OPENS", "delivered", CYCLE],
  ["MASK_OPENS", "reaped", CYCLE],
  ["FORK", "assertions", "assertion violated m_handler"],
  ["FORK LEFT_OVER_HANDLER", "delivered", CYCLE],
  ["FORK EXEC_UNMASKS NO_FALLBACK", "delivered", CYCLE],
  ["NO_FALLBACK", "delivered", CYCLE],
  ["MASK_FIRST", "assertions", "invalid end state"],
  ["MASK_KEPT", "delivered", CYCLE],
  ["CHILDREN_IGNORED", "ends", CYCLE],
  ["NOT_IGNORED_AGAIN", "assertions", "assertion violated (m_chld_ignored==inherited_ignored)"],
  ["NO_FIRST_REAP", "reaped", CYCLE],
  ["ONE_WAIT", "reaped", CYCLE],
  ["REAP_ONCE", "reaped", CYCLE],
  ["TAKEN_LATE", "reaped", CYCLE],
  ["MAIN_NOT_AWAITED", "ends", CYCLE],
  ["ANY_CHILD_ENDS", "assertions", "assertion violated (main=="],
  ["LAST_STATUS", "assertions", "assertion violated (status==m_code)"],
  ["SENT_TO_REAPED", "assertions", "assertion violated  !(sent_to_reaped)"],
  ["EXIT_ON_ERROR", "assertions", "assertion violated (main=="],
  ["NOT_QUEUED", "delivered", CYCLE, 2],
  ["NO_VALUE", "assertions", "assertion violated ((value==got)||value_refused)"],
  ["NOT_WOKEN", "delivered", CYCLE],
];

for (const [defines, property, error, signals = 1] of broken)
  test(`${defines} breaks what it should: ${property}`, { timeout: 5 * MINUTES }, () => {
    const verdict = verify({ property, signals, others: signals === 1 ? 1 : 0, defines: defines.split(" ") });
    expect(verdict.error).toContain(error);
  });

test(
  "a group that does not exist yet is no loss while there is the fallback",
  () => {
    const check = { property: "delivered", signals: 1, others: 0, defines: ["FORK", "EXEC_UNMASKS"] } as const;
    expect(verify(check)).toMatchObject({ error: undefined, complete: true });
  },
  5 * MINUTES,
);

test("every switch of the model is tried, and none is tried that it does not have", () => {
  const text = readFileSync(MODEL, "utf8");
  const switches = new Set([...text.matchAll(/^#(?:ifdef|ifndef) (\w+)/gm)].map(([, name]) => name));
  for (const bound of ["SIGNALS", "OTHERS"]) switches.delete(bound);
  const tried = new Set(broken.flatMap(([defines]) => defines.split(" ")));
  expect([...tried].sort()).toEqual([...switches].sort());
  const explained = [...text.matchAll(/^ {5}([A-Z_]+) {2,}\S/gm)].map(([, name]) => name);
  expect(explained.sort()).toEqual([...switches].sort());
});

test("every function that the model names is one of the source", () => {
  const named = [...readFileSync(MODEL, "utf8").matchAll(/src: (\w+)/g)].map(([, name]) => name);
  const source = ["main.c", "options.c", "spawn.c", "supervise.c", "reap.c", "reap.h"]
    .map((name) => readFileSync(join(CORE, "src", name), "utf8"))
    .join("\n");
  const defined = new Set([...source.matchAll(/\b(\w+)\([^;(){}]*\)\n\{/g)].map(([, name]) => name));
  expect(new Set(named).size).toBeGreaterThan(15);
  for (const name of new Set(named)) if (name !== "FUNCTION") expect(defined).toContain(name);
});
