/**
 * The behaviours of test/init/behaviours, put to the shipped init and to every peer that is installed.
 *
 *   node test/init/matrix.ts [--write] [--only TEXT] [--inits NAME,...] [--why] [--patience FACTOR]
 *
 * An init is tried as it is started without options; where it fails and has options or variables for the behaviour, with
 * those, which then stand in its cell. An init that fails is given a second try. --write renews docs/behaviours.md, --only
 * takes the rows whose title contains the text and leaves the others as they are, --why prints what a probe said, --patience lengthens the time after which
 * an init that does nothing has failed, for a machine that is busy. Needs root.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { behaviourGroups } from "./behaviours/all.ts";
import { type Behaviour, type CommandLine, Subject } from "./behaviours/behaviour.ts";
import { INIT, which } from "./harness.ts";

const PAGE = join(import.meta.dirname, "../../docs/behaviours.md");
const MARKS = ["<!-- behaviours -->", "<!-- /behaviours -->"] as const;
const SIDE_BY_SIDE = 4;

/** The init as the peers' table names it. */
export const OURS = "initwrap";
export const PEERS = ["tini", "tini-static", "dumb-init", "catatonit"] as const;

/** How an init has a behaviour: `yes`, with the words that it needs, or `no`. */
export type Cell = string;

/** Puts an init through a behaviour, and says why it failed. */
export async function fails(behaviour: Behaviour, init: Subject, seconds: number): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing after ${seconds} s`)), seconds * 1000);
  });
  try {
    await Promise.race([behaviour.probe(init), limit]);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    clearTimeout(timer);
    init.end();
  }
}

interface Way {
  readonly options: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
}

const PLAIN: Way = { options: [], variables: {} };

/** With what words an init may have a behaviour, in the order in which they are tried. Ours is asked for what it says. */
export function waysOf(behaviour: Behaviour, name: string): Way[] {
  const line = name.replace(/-static$/, "") as CommandLine;
  const { [line]: options = [] } = behaviour.options ?? {};
  const { [line]: variables = {} } = behaviour.variables ?? {};
  const way = { options, variables };
  if (wordsOf(way) === "") return [PLAIN];
  return name === OURS ? [way] : [PLAIN, way];
}

/** The words as a cell has them. */
export function wordsOf({ options, variables }: Way): Cell {
  const all = [...Object.entries(variables).map(([name, value]) => `${name}=${value}`), ...options];
  // A file's directory is this machine's own.
  return all.length > 0 ? `\`${all.map((word) => (word.startsWith("/") ? basename(word) : word)).join(" ")}\`` : "";
}

async function cell(
  behaviour: Behaviour,
  name: string,
  file: string,
  patience: number,
  why: (text: string) => void,
): Promise<Cell> {
  for (const way of waysOf(behaviour, name)) {
    for (let tries = 0; tries < 2; tries++) {
      const init = new Subject(file, way.options, way.variables);
      const reason = await fails(behaviour, init, patience * (behaviour.limit ?? 3));
      if (reason === undefined) return wordsOf(way) || "yes";
      why(`${name} ${wordsOf(way)}: ${behaviour.title}: ${reason.split("\n")[0]}`);
    }
  }
  return "no";
}

/** The table of docs/behaviours.md: the inits, a row's cells by its title, and the last line. */
export function readTable(): { names: string[]; rows: Map<string, Cell[]>; sums: number[] } {
  const page = readFileSync(PAGE, "utf8");
  const table = page.slice(page.indexOf(MARKS[0]), page.indexOf(MARKS[1]));
  const lines = table.split("\n").filter((line) => line.startsWith("| "));
  const [head = [], , ...cells] = lines.map((line) => line.slice(2, -2).split(" | "));
  const sums = cells.pop() ?? [];
  const rows = cells.filter(([title = ""]) => !title.startsWith("**"));
  return {
    names: head.slice(1),
    rows: new Map(rows.map(([title = "", ...rest]) => [title, rest])),
    sums: sums.slice(1).map(Number),
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      write: { type: "boolean", default: false },
      why: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      patience: { type: "string", default: "1" },
      inits: { type: "string", default: [OURS, ...PEERS].join() },
    },
  });
  const names = values.inits.split(",");
  const patience = Number(values.patience);
  const files = new Map(names.map((name) => [name, name === OURS ? INIT : which(name)]));
  for (const [name, file] of files) if (!file) throw new Error(`${name} is not installed`);
  const rows = behaviourGroups.flatMap((group) => group.behaviours).filter(({ title }) => title.includes(values.only));
  const results = new Map<string, Cell>();
  const work = rows.flatMap((behaviour) => names.map((name) => ({ behaviour, name })));
  const worker = async (): Promise<void> => {
    for (let next = work.shift(); next; next = work.shift()) {
      const { behaviour, name } = next;
      const why = (text: string) => void (values.why && process.stderr.write(`${text}\n`));
      results.set(`${behaviour.title}/${name}`, await cell(behaviour, name, files.get(name) ?? "", patience, why));
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, worker));

  const kept = values.write ? readTable() : undefined;
  const cellsOf = (row: Behaviour): Cell[] | undefined =>
    rows.includes(row)
      ? names.map((name) => results.get(`${row.title}/${name}`) ?? "no")
      : kept?.names.join() === names.join()
        ? kept.rows.get(row.title)
        : undefined;
  const shown = behaviourGroups.flatMap((group) => group.behaviours).filter((row) => cellsOf(row));
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const table = [
    line(["behaviour", ...names]),
    line(["---", ...names.map(() => ":-:")]),
    ...behaviourGroups.flatMap(({ title, behaviours }) => [
      line([`**${title}**`, ...names.map(() => " ")]),
      ...behaviours.filter((row) => shown.includes(row)).map((row) => line([row.title, ...(cellsOf(row) ?? [])])),
    ]),
    line([
      `all ${shown.length}`,
      ...names.map((_, column) => String(shown.filter((row) => cellsOf(row)?.[column] !== "no").length)),
    ]),
  ].join("\n");
  if (values.write) {
    const page = readFileSync(PAGE, "utf8");
    const marked = new RegExp(`${MARKS[0]}[^]*${MARKS[1]}`);
    writeFileSync(
      PAGE,
      page.replace(marked, () => `${MARKS[0]}\n\n${table}\n\n${MARKS[1]}`),
    );
  } else process.stdout.write(`${table}\n`);
}

if (process.argv[1] === import.meta.filename) {
  await main();
  process.exit();
}
