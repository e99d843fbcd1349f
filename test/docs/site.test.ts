/** The documentation's site, built below a path as a host may serve it, and read in a real browser. */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { axeViolations, hasChromium, openBrowser, openPage, overflow, seriousFindings } from "../support/chromium.ts";
import { ROOT } from "../support/programs.ts";

const BASE = "/initwrap/";
/** One of each kind of page. */
const KINDS = [
  "index.html",
  "guide.html",
  "pid-1.html",
  "dockerfile.html",
  "behaviours.html",
  "errors.html",
  "diagnostics/SHELL_FORM_NO_EXEC.html",
  "recipes/kubernetes.html",
];
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};

let folder: string;
let server: Server;
let origin: string;
let browser: Browser | undefined;
let pages: string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-site-"));
  const vitepress = join(ROOT, "node_modules/vitepress/bin/vitepress.js");
  await promisify(execFile)(process.execPath, [vitepress, "build", "docs", "--outDir", folder], {
    cwd: ROOT,
    env: { ...process.env, DOCS_BASE: BASE },
  });
  pages = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".html")).sort();
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://localhost");
    const path = decodeURIComponent(pathname).replace(/\/$/, "/index.html");
    readFile(join(folder, path.slice(BASE.length))).then(
      (bytes) => response.setHeader("content-type", TYPES[extname(path)] ?? "text/plain").end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  if (hasChromium) browser = await openBrowser();
});
afterAll(async () => {
  await browser?.close();
  server?.closeAllConnections();
  server?.close();
  await rm(folder, { recursive: true, force: true });
});

function attributes(html: string, name: string): string[] {
  return [...html.matchAll(new RegExp(`\\s${name}="([^"]*)"`, "g"))].map(([, value = ""]) =>
    value.replaceAll("&amp;", "&").replaceAll("&#39;", "'"),
  );
}

describe("the site", () => {
  it("has a page for each document, each finding among them", async () => {
    const documents = (await readdir(join(ROOT, "docs"), { recursive: true })).filter(
      (name) => name.endsWith(".md") && !/^\.|\[/.test(name),
    );
    const expected = documents.map((name) =>
      name.replace(/(README)?\.md$/, (_, readme) => `${readme ? "index" : ""}.html`),
    );
    expect(pages).toEqual(expect.arrayContaining(expected));
  });

  it("has no link to what is not there, page or anchor", async () => {
    const anchors = new Map<string, Set<string>>();
    const texts = new Map<string, string>();
    for (const page of pages) {
      const html = await readFile(join(folder, page), "utf8");
      texts.set(page, html);
      anchors.set(page, new Set(attributes(html, "id")));
    }
    const files = new Set(await readdir(folder, { recursive: true }));
    const broken: string[] = [];
    for (const [page, html] of texts) {
      for (const href of [...attributes(html, "href"), ...attributes(html, "src")]) {
        if (/^(https?|mailto|data):/.test(href)) continue;
        const url = new URL(href, `${origin}${BASE}${page}`);
        const path = decodeURIComponent(url.pathname);
        const file = path.replace(/\/$/, "/index.html").slice(BASE.length);
        const hash = decodeURIComponent(url.hash.slice(1));
        if (!path.startsWith(BASE) || !files.has(file)) broken.push(`${page}: ${href}`);
        else if (hash && !anchors.get(file)?.has(hash)) broken.push(`${page}: ${href} has no such anchor`);
      }
    }
    expect(broken).toEqual([]);
  });

  it("has a picture of the terminal that is small, and of the commands as they are", async () => {
    const svg = await readFile(join(ROOT, "docs/assets/demo.svg"), "utf8");
    expect(svg.length).toBeLessThan(100_000);
    const words = new Set([...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].flatMap(([, text = ""]) => text.split(" ")));
    const readme = await readFile(join(ROOT, "README.md"), "utf8");
    const [, command = ""] = /^\$ (initwrap image \S+)/m.exec(readme) ?? [];
    expect([...words]).toEqual(expect.arrayContaining([...command.split(" "), "docker", "stop", "seconds"]));
  });

  it("loads nothing from elsewhere", async () => {
    for (const page of pages) {
      const html = await readFile(join(folder, page), "utf8");
      const loaded = [...html.matchAll(/<(?:script|link|img|iframe)\b[^>]*?(?:src|href)="(https?:[^"]*)"/g)];
      expect(loaded.map(([, url]) => `${page}: ${url}`)).toEqual([]);
    }
    const styles = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".css"));
    for (const name of styles)
      expect(await readFile(join(folder, name), "utf8")).not.toMatch(/url\(["']?(https?:)?\/\//);
  });

  it("opens every page without an error and from no other host, none of them wider than a phone", {
    timeout: 180_000,
  }, async (context) => {
    requireCapability(context, "Chromium", browser !== undefined);
    const problems: string[] = [];
    const visit = await openPage(browser as Browser, `${origin}${BASE}`, { width: 390, height: 844 });
    visit.page.on("request", (request) => {
      if (!request.url().startsWith(origin) && !request.url().startsWith("data:")) problems.push(request.url());
    });
    for (const page of pages.filter((name) => name !== "404.html")) {
      await visit.page.goto(`${origin}${BASE}${page}`, { waitUntil: "load" });
      // The page is there and alive: its scripts have made the search's button.
      await visit.page.waitForSelector("button.DocSearch-Button", { timeout: 10_000 });
      const beside = await overflow(visit.page);
      if (beside !== 0) problems.push(`${page} is ${beside} wider than a phone`);
    }
    problems.push(...visit.problems);
    await visit.close();
    expect(problems).toEqual([]);
  });

  for (const colorScheme of ["light", "dark"] as const) {
    it(`has nothing that keeps people from using it, in ${colorScheme} colours`, {
      timeout: 180_000,
    }, async (context) => {
      requireCapability(context, "Chromium", browser !== undefined);
      const found: string[] = [];
      for (const page of KINDS) {
        const visit = await openPage(browser as Browser, `${origin}${BASE}${page}`, { colorScheme });
        await visit.page.waitForSelector("button.DocSearch-Button");
        expect(await visit.page.evaluate("document.documentElement.classList.contains('dark')")).toBe(
          colorScheme === "dark",
        );
        found.push(...seriousFindings(await axeViolations(visit.page)).map((text) => `${page}: ${text}`));
        await visit.close();
      }
      expect(found).toEqual([]);
    });
  }

  it("has pictures whose words can be read on a phone, in dark colours too", async (context) => {
    requireCapability(context, "Chromium", browser !== undefined);
    const shown: string[] = [];
    for (const colorScheme of ["light", "dark"] as const) {
      const visit = await openPage(browser as Browser, `${origin}${BASE}pid-1.html`, {
        width: 390,
        height: 844,
        colorScheme,
      });
      const pictures = await visit.page.$$eval(".vp-doc img", (all) =>
        all.map((one) => ({ src: one.getAttribute("src") ?? "", scale: one.clientWidth / one.naturalWidth })),
      );
      for (const { src, scale } of pictures) {
        // Small files are part of the page.
        const svg = await (await fetch(new URL(src, origin))).text();
        const sizes = [...svg.matchAll(/font-size="(\d+)"/g)].map(([, size]) => Number(size) * scale);
        expect(Math.min(...sizes), src).toBeGreaterThan(10);
        // By itself, as it is when it is drawn as an image: the colour of its paper is that of the reader's scheme.
        await visit.page.setContent(svg);
        const paper = await visit.page.evaluate("getComputedStyle(document.querySelector('.paper')).fill");
        shown.push(`${colorScheme} ${paper}`);
      }
      await visit.close();
    }
    expect(shown).toEqual([
      "light rgb(246, 248, 250)",
      "light rgb(246, 248, 250)",
      "dark rgb(22, 27, 34)",
      "dark rgb(22, 27, 34)",
    ]);
  });

  it.for([
    ["PROOF_FAILED", "PROOF_FAILED"],
    ["STOPSIGNAL_KILL", "STOPSIGNAL_KILL"],
    ["zombies", "The PID 1 problem"],
  ])("finds %s by its search", { timeout: 60_000 }, async ([text = "", title = ""], context) => {
    requireCapability(context, "Chromium", browser !== undefined);
    const visit = await openPage(browser as Browser, `${origin}${BASE}guide.html`);
    await visit.page.click("button.DocSearch-Button");
    await visit.page.fill("input.search-input", text);
    await visit.page.waitForSelector("a.result");
    expect(await visit.page.textContent("ul.results")).toContain(title);
    expect(visit.problems).toEqual([]);
    await visit.close();
  });
});
