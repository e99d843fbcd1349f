/**
 * Files and folders that must not outlive the process, whichever way it ends: a reader of stdout that goes away, or a second
 * SIGINT, ends it where it stands.
 */
import { rmSync } from "node:fs";

const held = new Set<string>();

/** Removes `path` when the process ends, unless it is let go before. Gives back what lets go of it. */
export function removeAtExit(path: string): () => void {
  if (held.size === 0) process.on("exit", removeAll);
  held.add(path);
  return () => {
    held.delete(path);
    if (held.size === 0) process.off("exit", removeAll);
  };
}

function removeAll(): void {
  for (const path of held) {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // The process is ending; the others are still to go.
    }
  }
}
