/**
 * `node scripts/picture-probe.mjs IMAGE [FLAGS]`: renews the pictures of docs/probe.md from a real run of `initwrap probe`, in the
 * engine that DOCKER_HOST names, and the screenshot in Debian's headless Chromium.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { build } from "./build.mjs";
import { fail, install, node, ROOT } from "./workspace.mjs";

install();
build();
const folder = mkdtempSync(join(tmpdir(), "initwrap-picture-"));
const pictures = join(ROOT, "docs/images");
try {
  const report = join(folder, "report.html");
  const cli = join(ROOT, "packages/cli/bin/run.js");
  const args = [cli, "probe", "--format", "svg", "--report", report, ...process.argv.slice(2)];
  const { status, stdout } = spawnSync(node(), args, { stdio: ["ignore", "pipe", "inherit"], encoding: "utf8" });
  if (status !== 0) fail("the image could not be measured");
  writeFileSync(join(pictures, "probe.svg"), stdout);
  // As root, Chromium runs without its sandbox only; it opens nothing but that page.
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium-headless-shell", args: ["--no-sandbox"] });
  const page = await browser.newPage({ viewport: { width: 900, height: 700 }, offline: true });
  await page.goto(pathToFileURL(report).href);
  await page.screenshot({ path: join(pictures, "probe-report.png"), fullPage: true });
  await browser.close();
} finally {
  rmSync(folder, { recursive: true });
}
