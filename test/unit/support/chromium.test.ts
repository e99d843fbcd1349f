/** That a page with a fault does not pass: what the tests of our own pages rest on. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser } from "playwright-core";
import { afterAll, beforeEach, expect, it } from "vitest";
import { requireCapability } from "../../support/capability.ts";
import {
  axeViolations,
  hasChromium,
  openBrowser,
  openPage,
  overflow,
  seriousFindings,
  type View,
} from "../../support/chromium.ts";

let browser: Browser | undefined;
const folders: string[] = [];

beforeEach((context) => requireCapability(context, "Chromium", hasChromium));
afterAll(async () => {
  await browser?.close();
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function open(body: string, view?: View) {
  browser ??= await openBrowser();
  const folder = await mkdtemp(join(tmpdir(), "initwrap-page-"));
  folders.push(folder);
  const file = join(folder, "page.html");
  await writeFile(
    file,
    `<!doctype html><html lang="en"><head><title>A page</title><style>
      p { color: #222; background: #fff } @media (prefers-color-scheme: dark) { p { color: #333; background: #222 } }
      </style></head><body><main><h1>A page</h1>${body}</main></body></html>`,
  );
  return openPage(browser, pathToFileURL(file).href, view);
}

it("finds text that only dark mode makes unreadable", async () => {
  const light = await open("<p>Some text</p>");
  expect(seriousFindings(await axeViolations(light.page))).toEqual([]);
  expect(light.problems).toEqual([]);
  await light.close();
  const dark = await open("<p>Some text</p>", { colorScheme: "dark" });
  expect(seriousFindings(await axeViolations(dark.page))).toEqual([expect.stringMatching(/^color-contrast: /)]);
  await dark.close();
});

it("hears errors on the console, exceptions and what could not be loaded", async () => {
  const visit = await open('<script>console.error("one"); throw new Error("two")</script><img src="none.png" alt="">');
  expect([...visit.problems].sort()).toEqual([
    expect.stringMatching(/^console: .*ERR_FILE_NOT_FOUND/),
    "console: one",
    "exception: two",
    expect.stringMatching(/^not loaded: .*none\.png/),
  ]);
  await visit.close();
});

it("measures what a narrow window cuts off", async () => {
  const visit = await open('<div style="width: 400px; height: 10px"></div>', { width: 320, scripts: false });
  expect(await overflow(visit.page)).toBeGreaterThan(0);
  await visit.close();
});
