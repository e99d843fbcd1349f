import type { MarkdownRenderer } from "vitepress";

/**
 * A browser breaks a line behind a hyphen, in inline code too: `docker run -` and `-init`. Words with one stay whole, but for long
 * ones, which may be wider than a phone.
 */
export function wholeWords(md: MarkdownRenderer): void {
  const render = md.renderer.rules.code_inline;
  md.renderer.rules.code_inline = (...args) =>
    (render?.(...args) ?? "").replace(/(?<=>)[^<]+/, (text) =>
      text.replace(/\S*-\S*/g, (word) => (word.length <= 24 ? `<span class="whole">${word}</span>` : word)),
    );
}
