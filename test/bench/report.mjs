/** How a benchmark ends: its figures on stdout, its table in docs/benchmarks.md, and a word for each aim that it misses. */
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";

const PAGE = join(import.meta.dirname, "../../docs/benchmarks.md");

/** What every run depends on: `Linux 6.1, 2 processors, Node 24.21.0`; `more` stands in between. */
export function machine(...more) {
  return [`Linux ${release()}`, processors(), ...more, `Node ${process.versions.node}`].join(", ");
}

export function processors() {
  const cores = cpus().length;
  return `${cores} processor${cores === 1 ? "" : "s"}`;
}

/** A table in Markdown; the first `words` columns are text, the others numbers. */
export function table(titles, rows, words = 1) {
  const rules = titles.map((_, at) => (at < words ? "---" : "---:"));
  return [titles, rules, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** An aim in the table, with a mark when it is missed. */
export function aimCell(words, met) {
  return met ? words : `${words}: **missed**`;
}

/**
 * `bench:NAME` is done. `values` are its flags: --json prints `figures`, --write puts `markdown` between the page's marks,
 * --check prints BROKEN for each of `missed`, which are sentences, and makes the exit code 1. `text` is what people see,
 * the table unless it is given.
 */
export function finish(name, { values, figures, markdown, text = markdown, missed }) {
  process.stdout.write(values.json ? `${JSON.stringify(figures, null, 2)}\n` : text);
  if (values.write) {
    const old = readFileSync(PAGE, "utf8");
    const pattern = new RegExp(`(<!-- bench:${name} -->\\n)[\\s\\S]*?(<!-- /bench:${name} -->)`);
    if (!pattern.test(old)) throw new Error(`${PAGE} has no marks for bench:${name}`);
    writeFileSync(
      PAGE,
      old.replace(pattern, (_, start, end) => `${start}\n${markdown}\n${end}`),
    );
  }
  if (!values.check) return;
  // Beside JSON only people read it.
  const stream = values.json ? process.stderr : process.stdout;
  for (const sentence of missed) stream.write(`BROKEN ${sentence}\n`);
  process.exitCode = missed.length === 0 ? 0 : 1;
}
