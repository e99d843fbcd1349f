/**
 * Pages in a real browser: Debian's headless Chromium, driven through the DevTools protocol by playwright-core, which brings
 * no browser of its own.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { AxeResults, Result } from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";

const PROGRAM = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"].find((path) => existsSync(path));

export const hasChromium = PROGRAM !== undefined;

export interface View {
  readonly colorScheme?: "light" | "dark";
  /** In CSS pixels; 1280 x 900 unless told. */
  readonly width?: number;
  readonly height?: number;
  /** False shows the page as someone sees it who allows no scripts; axe needs them. */
  readonly scripts?: boolean;
  /** `offline` fails everything that is not in the page's own file. */
  readonly offline?: boolean;
}

/** An open page. */
export interface Visit {
  readonly page: Page;
  /** What went wrong so far: errors on the console, exceptions, requests that failed or were answered with an error. */
  readonly problems: readonly string[];
  close(): Promise<void>;
}

/** One for a file of tests: starting it takes a second. The caller closes it. */
export function openBrowser(): Promise<Browser> {
  if (!PROGRAM) throw new Error("there is no Chromium here: run the tests with `npm test`");
  // Chromium's sandbox refuses root, which the tests run as; /dev/shm is small in a container.
  return chromium.launch({ executablePath: PROGRAM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

/** Opens `url`, which may be a `file:`, and waits until it is loaded. */
export async function openPage(browser: Browser, url: string, view: View = {}): Promise<Visit> {
  const context = await browser.newContext({
    colorScheme: view.colorScheme ?? "light",
    viewport: { width: view.width ?? 1280, height: view.height ?? 900 },
    javaScriptEnabled: view.scripts ?? true,
    offline: view.offline ?? false,
    // axe is put into the page by the test, whatever the page's own policy says.
    bypassCSP: true,
  });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`exception: ${error.message}`));
  page.on("requestfailed", (request) =>
    problems.push(`not loaded: ${request.url()} (${request.failure()?.errorText ?? "no reason given"})`),
  );
  page.on("response", (response) => {
    if (response.status() >= 400) problems.push(`answered ${response.status()}: ${response.url()}`);
  });
  await page.goto(url, { waitUntil: "load" });
  return { page, problems, close: () => context.close() };
}

/** What axe-core finds on the page by all of its rules for WCAG 2.2 A and AA, and its best practices. */
export async function axeViolations(page: Page): Promise<readonly Result[]> {
  const file = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
  await page.evaluate(await readFile(file, "utf8"));
  const results = (await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")) as AxeResults;
  return results.violations;
}

/** Of `violations`, those that keep people from using a page, one readable line for each element. */
export function seriousFindings(violations: readonly Result[]): readonly string[] {
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, help, nodes }) => nodes.map((node) => `${id}: ${help}: ${node.target.join(" ")}: ${node.html}`));
}

/** How many CSS pixels of the page lie to the right of the window: zero, unless one has to scroll sideways. */
export async function overflow(page: Page): Promise<number> {
  return await page.evaluate<number>("document.documentElement.scrollWidth - document.documentElement.clientWidth");
}
