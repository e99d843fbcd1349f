/**
 * The comment lines around what initwrap inserts. They make undo exact: the block goes as a whole, and what was replaced
 * elsewhere in the stage is written down in it.
 */
export const BEGIN_MARKER = "# initwrap begin";
export const END_MARKER = "# initwrap end";
const WAS = "# initwrap was ";
const FOR = "# initwrap for ";

/**
 * What a block remembers of the text it replaced: the argument of ENTRYPOINT, an escape that ended the file; or which init
 * was replaced by which of our options (`tini as --no-group`); or the platforms that were asked for, with commas between.
 */
export interface Memory {
  readonly what: "entrypoint" | "escape" | "init" | "platforms";
  readonly text: string;
}

/** The comment that remembers a replaced text. One line whatever the text holds, for JSON escapes line ends. */
export function formatMemory(memory: Memory): string {
  const words = memory.what === "platforms" ? FOR : `${WAS}${memory.what} `;
  return `${words}${JSON.stringify(memory.text)}`;
}

/** Reads `formatMemory`'s line; undefined for any other. */
export function parseMemory(line: string): Memory | undefined {
  const match = /^# initwrap (?:was (entrypoint|escape|init)|for) (".*")$/.exec(line);
  if (match === null) return undefined;
  try {
    return { what: (match[1] ?? "platforms") as Memory["what"], text: JSON.parse(match[2] as string) as string };
  } catch {
    return undefined;
  }
}
