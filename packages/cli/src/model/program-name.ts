/** What a program is, as far as its name tells it. */

/** The name without its folders; empty where there is none. */
export function baseName(program: string | undefined): string {
  return program?.slice(program.lastIndexOf("/") + 1) ?? "";
}

/** `sh`, `/bin/bash`... */
export function isShell(program: string | undefined): boolean {
  return /^(?:ba|da|a|z|k)?sh$/.test(baseName(program));
}

/** `docker-entrypoint.sh`, `docker-php-entrypoint`... */
export function isScript(program: string): boolean {
  return /\.(?:ba|z|k)?sh$|entrypoint/i.test(baseName(program));
}
