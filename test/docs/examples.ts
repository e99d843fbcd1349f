/**
 * The examples of a Markdown document: what a reader would copy into a terminal, and what the document says comes back.
 *
 * A `console` block has commands behind `$ `, each with the output that the document shows for it, or none. In output,
 * `...` stands for anything: alone on a line for lines, else for a part of the line. A comment `# exit 3` behind a command
 * names its exit code. Words behind the language: `fresh`, every command begins with the files that were there at the
 * block's beginning; `no-run: REASON`, the tests do not run it.
 *
 * An HTML comment says what a block cannot: `<!-- file: NAME -->` in front of one, that the reader has its text in a file of
 * that name; `<!-- given: WHAT NAME -->`, what else the reader has (given.ts). A `js` block that imports
 * one of the packages is a program.
 */

export interface Command {
  readonly line: number;
  readonly text: string;
  readonly exit: number;
  /** What it prints, or undefined where the document does not say. */
  readonly output: string | undefined;
}

export type Step =
  | { readonly kind: "run"; readonly line: number; readonly fresh: boolean; readonly commands: readonly Command[] }
  | { readonly kind: "file"; readonly line: number; readonly name: string; readonly text: string }
  | { readonly kind: "given"; readonly line: number; readonly words: readonly string[] }
  | { readonly kind: "no-run"; readonly line: number; readonly reason: string };

const SHELLS = new Set(["sh", "bash", "shell", "console", "shellsession"]);

/** The steps of a document, in order. Throws for a block in a shell's language that shows no command. */
export function examplesOf(markdown: string): readonly Step[] {
  const lines = markdown.split("\n");
  const steps: Step[] = [];
  let file: string | undefined;
  for (let at = 0; at < lines.length; at++) {
    const comment = /^<!-- (file|given): (.+) -->$/.exec(lines[at] ?? "");
    if (comment?.[1] === "file") file = comment[2];
    if (comment?.[1] === "given") steps.push({ kind: "given", line: at + 1, words: (comment[2] ?? "").split(" ") });
    const fence = /^(\s*)(```+)(\S*) ?(.*)$/.exec(lines[at] ?? "");
    if (!fence) continue;
    const [, indent = "", ticks = "", language = "", words = ""] = fence;
    const line = at + 1;
    const body: string[] = [];
    while (++at < lines.length && lines[at]?.trim() !== ticks) body.push((lines[at] ?? "").slice(indent.length));
    const reason = /\bno-run: (.+)$/.exec(words)?.[1];
    if (reason) steps.push({ kind: "no-run", line, reason });
    else if (file) steps.push({ kind: "file", line, name: file, text: `${body.join("\n")}\n` });
    else if (SHELLS.has(language)) {
      steps.push({ kind: "run", line, fresh: /\bfresh\b/.test(words), commands: commandsOf(body, line + 1) });
    } else if (language === "js" && /^import .* from "(@initwrap\/|initwrap")/m.test(body.join("\n"))) {
      const text = `node --input-type=module <<'END'\n${body.join("\n")}\nEND`;
      steps.push({ kind: "run", line, fresh: false, commands: [{ line, text, exit: 0, output: undefined }] });
    }
    file = undefined;
  }
  return steps;
}

function commandsOf(body: readonly string[], first: number): readonly Command[] {
  const commands: { line: number; text: string; output: string[] }[] = [];
  let open = false;
  for (const [index, text] of body.entries()) {
    const last = commands.at(-1);
    if (text.startsWith("$ ")) commands.push({ line: first + index, text: text.slice(2), output: [] });
    else if (open && last) last.text += `\n${text.replace(/^> /, "")}`;
    else if (last) last.output.push(text);
    else throw new Error(`line ${first + index}: an example begins with "$ "`);
    open = /\\$/.test(text) && (open || text.startsWith("$ "));
  }
  if (commands.length === 0) throw new Error(`line ${first}: an example without a command`);
  return commands.map(({ line, text, output }) => ({
    line,
    text,
    exit: Number(/ # .*\bexits? (?:code )?(\d+)/.exec(text)?.[1] ?? 0),
    output: output.some((printed) => printed !== "") ? output.join("\n") : undefined,
  }));
}

/** Whether `printed` is what the document shows. Runs of blanks are one, as a reader sees them. */
export function isAsShown(shown: string, printed: string): boolean {
  const lines = tidy(shown).split("\n");
  const pattern = lines.map((line, index) => {
    const end = index === lines.length - 1 ? "" : "\\n";
    if (line === "...") return index === lines.length - 1 ? "[^]*" : "(?:[^]*\\n)?";
    return line.split("...").map(literal).join(".*") + end;
  });
  return new RegExp(`^${pattern.join("")}$`).test(tidy(printed));
}

function tidy(text: string): string {
  return text
    .replaceAll("\r", "")
    .split("\n")
    .map((line) => line.replace(/[ \t]+/g, " ").trimEnd())
    .join("\n")
    .trim();
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
