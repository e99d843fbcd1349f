import type { MarkdownRenderer } from "vitepress";

/** The anchor that GitHub gives a heading, so that one link is right in both places. */
export function slug(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_ -]/gu, "")
    .replaceAll(" ", "-");
}

/** Braces are braces: nothing in these pages is a Vue expression. */
export function literalBraces(md: MarkdownRenderer): void {
  for (const rule of ["text", "code_inline"]) {
    const render = md.renderer.rules[rule];
    md.renderer.rules[rule] = (...args) => (render?.(...args) ?? "").replaceAll("{{", "&#123;&#123;");
  }
}
