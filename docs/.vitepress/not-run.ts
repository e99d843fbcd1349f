import type { MarkdownRenderer } from "vitepress";

/**
 * The tests run every example of these pages, but for those that say `no-run: REASON` behind the fence's language. The
 * reason is said below the example.
 */
export function notRun(md: MarkdownRenderer): void {
  const fence = md.renderer.rules.fence;
  md.renderer.rules.fence = (tokens, index, ...rest) => {
    const html = fence?.(tokens, index, ...rest) ?? "";
    const reason = /\bno-run: (.+)$/.exec(tokens[index]?.info ?? "")?.[1];
    return reason ? `${html}<p class="no-run">Not run by this page’s test: ${md.utils.escapeHtml(reason)}.</p>` : html;
  };
}
