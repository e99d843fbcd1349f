/** The `web` line of a Procfile, which names the command of a server in several languages' hosting conventions. */
import { type Project, textOf } from "./project.ts";
import { splitCommand } from "./words.ts";

/** Its words with the port put in; undefined when there is none, or only a shell could run it. */
export function procfileCommand(project: Project, port: number): readonly string[] | undefined {
  const line = /^web:[ \t]*(.+?)[ \t\r]*$/m.exec(textOf(project, "Procfile"))?.[1];
  return line === undefined ? undefined : splitCommand(line.replace(/\$\{?PORT\b(?::-\d+)?\}?/g, String(port)));
}
