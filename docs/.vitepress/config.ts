import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type DefaultTheme, defineConfig } from "vitepress";
import { literalBraces, slug } from "./as-on-github.ts";
import { notRun } from "./not-run.ts";
import { copyLinkedFiles, repositoryLinks } from "./repository-links.ts";
import { wholeWords } from "./whole-words.ts";

const DOCS = join(import.meta.dirname, "..");

/** A page by its file's name, titled by its first heading. */
function page(name: string): DefaultTheme.SidebarItem {
  const heading = /^# (.+)$/m.exec(readFileSync(join(DOCS, `${name}.md`), "utf8"))?.[1] ?? name;
  return { text: heading.replaceAll("`", ""), link: `/${name.replace(/(^|\/)README$/, "$1")}` };
}

const exists = (name: string): boolean => existsSync(join(DOCS, `${name}.md`));
const pages = (...names: string[]): DefaultTheme.SidebarItem[] => names.filter(exists).map(page);

/** Every page of a folder, by name. */
function folder(name: string): DefaultTheme.SidebarItem[] {
  if (!existsSync(join(DOCS, name))) return [];
  const files = readdirSync(join(DOCS, name)).filter((file) => file.endsWith(".md") && file !== "README.md");
  return files.sort().map((file) => page(`${name}/${file.slice(0, -3)}`));
}

/** Every error code, each a section of one page. */
function errors(): DefaultTheme.SidebarItem[] {
  const codes = [...readFileSync(join(DOCS, "errors.md"), "utf8").matchAll(/^### ([A-Z_0-9]+)$/gm)];
  return codes.map(([, code = ""]) => ({ text: code, link: `/errors#${code.toLowerCase()}` }));
}

function group(text: string, items: DefaultTheme.SidebarItem[], collapsed?: boolean): DefaultTheme.SidebarItem[] {
  return items.length === 0 ? [] : [{ text, items, ...(collapsed === undefined ? {} : { collapsed }) }];
}

export default defineConfig({
  title: "initwrap",
  description:
    "A correct init in front of the command of a container image you already have, and nothing else changed.",
  lang: "en",
  // Where the site is served below a host's root, such as /initwrap/.
  base: process.env["DOCS_BASE"] ?? "/",
  outDir: "../.cache/site",
  cacheDir: "../.cache/vitepress",
  rewrites: { ":folder/README.md": ":folder/index.md" },
  // Copied by buildEnd; test/docs/site.test.ts follows these links too.
  ignoreDeadLinks: [/^\/source\//],
  buildEnd: copyLinkedFiles,
  router: { prefetchLinks: false },
  markdown: {
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
    languageAlias: { Dockerfile: "docker", dockerfile: "docker", console: "shellsession" },
    anchor: { slugify: slug },
    config: (md) => {
      literalBraces(md);
      repositoryLinks(md);
      notRun(md);
      wholeWords(md);
    },
  },
  themeConfig: {
    search: { provider: "local" },
    outline: { level: [2, 3] },
    nav: [
      { text: "Guide", link: "/guide" },
      { text: "Recipes", link: "/recipes/kubernetes" },
      { text: "Findings", link: "/diagnostics/" },
      { text: "Errors", link: "/errors" },
    ],
    sidebar: [
      ...group("Start", pages("guide", "install", "pid-1", "probe", "ways", "comparison")),
      ...group("Commands", [
        ...pages("dockerfile", "image", "inspect", "verify", "generate", "ci", "run"),
        ...pages("commands/README").map((index) => ({ ...index, items: folder("commands"), collapsed: true })),
      ]),
      ...group(
        "Going further",
        pages("frontend", "registry", "fleets", "compose", "reporters", "config", "completion", "init"),
      ),
      ...group("Recipes", folder("recipes")),
      ...group("Reference", [
        ...pages("exit-codes"),
        { ...page("errors"), items: errors(), collapsed: true },
        { ...page("diagnostics/README"), items: folder("diagnostics"), collapsed: true },
        ...pages("behaviours", "benchmarks", "security"),
        ...pages("release"),
        { text: "Architecture", link: "/project/architecture" },
        { text: "Contributing", link: "/project/contributing" },
      ]),
    ],
  },
});
