/** Paths as reports name them: from the working folder, with `/`, without `./`. */
import { isAbsolute, relative, sep } from "node:path";

/** `file` from the working folder; as it is when it lies elsewhere. */
export function relativePath(file: string): string {
  const path = isAbsolute(file) ? relative(process.cwd(), file) : file;
  const outside = path === ".." || path.startsWith(`..${sep}`);
  return (isAbsolute(file) && outside ? file : path)
    .split(sep)
    .join("/")
    .replace(/^(\.\/+)+/, "");
}
