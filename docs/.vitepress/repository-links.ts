/**
 * The pages link to each other and to the rest of the repository by relative paths, which is what a repository's host and
 * npm understand. Here such a link becomes one of the site: a page of it where there is one, else a copy of the file under
 * `/source/`, so that the site is whole without the repository.
 */
import { cpSync, mkdirSync, statSync } from "node:fs";
import { dirname, join, posix, relative } from "node:path";
import type { MarkdownRenderer, SiteConfig } from "vitepress";

const ROOT = join(import.meta.dirname, "../..");
const linked = new Set<string>();

/** Documents of the repository's root that are pages here: docs/project/[page].paths.ts. */
export const PROJECT_PAGES: Readonly<Record<string, string>> = {
  "ARCHITECTURE.md": "architecture",
  "CONTRIBUTING.md": "contributing",
  "SECURITY.md": "reporting",
};

/** Exchanges the target of every relative link; one to a file that does not exist stays, and fails the build. */
export function repositoryLinks(md: MarkdownRenderer): void {
  md.core.ruler.push("repository-links", ({ tokens, env }) => {
    for (const { children } of tokens) {
      for (const token of children ?? []) {
        const href = token.type === "link_open" ? token.attrGet("href") : null;
        if (href) token.attrSet("href", siteLink(href, env.realPath ?? env.path));
      }
    }
  });
}

function siteLink(href: string, page: string): string {
  if (/^([a-z]+:|#|\/)/i.test(href)) return href;
  const [path = "", anchor] = href.split("#");
  // A document of the root is shown from docs/project, and means its own place.
  const from = dirname(relative(ROOT, page)).split("\\").join("/");
  const file = posix.normalize(posix.join(from === "docs/project" ? "." : from, path));
  const hash = anchor === undefined ? "" : `#${anchor}`;
  const project = PROJECT_PAGES[file];
  if (project) return `/project/${project}${hash}`;
  if (file === "README.md") return `/${hash}`;
  if (file.startsWith("docs/") && file.endsWith(".md")) {
    return `/${file.slice("docs/".length, -".md".length).replace(/(^|\/)(README|index)$/, "$1")}${hash}`;
  }
  if (!statSync(join(ROOT, file), { throwIfNoEntry: false })?.isFile()) return href;
  linked.add(file);
  return `/source/${shownAs(file)}`;
}

/** As text, unless a browser shows it anyway: a server would call a `.ts` file a film. */
function shownAs(file: string): string {
  return /\.(json|ya?ml)$/.test(file) ? file : `${file}.txt`;
}

/** Puts what the pages link to beside them. */
export function copyLinkedFiles({ outDir }: SiteConfig): void {
  for (const file of linked) {
    const copy = join(outDir, "source", shownAs(file));
    mkdirSync(dirname(copy), { recursive: true });
    cpSync(join(ROOT, file), copy);
  }
}
