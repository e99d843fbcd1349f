/** The table, the summary, the picture and the page of a measurement: what they say, and that nothing in them breaks them. */
import type { Browser } from "playwright-core";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import type { ProbeResult, Side } from "../../../packages/cli/src/wrap/probe.ts";
import { curveChart, timelineChart } from "../../../packages/cli/src/wrap/probe-chart.ts";
import { figuresOf, tableLines, treeLines } from "../../../packages/cli/src/wrap/probe-document.ts";
import { probePage, probePicture, probeSummary } from "../../../packages/cli/src/wrap/probe-report.ts";
import { requireCapability } from "../../support/capability.ts";
import {
  axeViolations,
  hasChromium,
  openBrowser,
  openPage,
  overflow,
  seriousFindings,
} from "../../support/chromium.ts";

function side(milliseconds: number, exitCode: number, zombies: number, words: readonly string[]): Side {
  const killed = exitCode === 137;
  return {
    image: `sha256:${"0".repeat(64)}`,
    stop: { signal: "SIGTERM", milliseconds, exitCode, killedAfter: killed ? milliseconds - 50 : null },
    signals: ["HUP", "TERM"].map((name) => ({
      signal: `SIG${name}`,
      outcome: killed ? ("lost" as const) : ("ended" as const),
      exitCode: killed ? null : 143,
    })),
    orphans: {
      started: 20,
      zombies,
      curve: Array.from({ length: 51 }, (_, at) => ({
        at: at * 50,
        zombies: Math.min(zombies, Math.floor(at / 1.5)),
        orphans: Math.max(0, 20 - Math.floor(at / 1.5)),
      })),
      processes: [
        { pid: 1, parent: 0, name: "app", commandLine: words, zombie: false },
        ...Array.from({ length: zombies }, (_, at) => ({
          pid: at + 20,
          parent: 1,
          name: "gone",
          commandLine: [],
          zombie: true,
        })),
      ],
    },
  };
}

function result(change: Partial<ProbeResult> = {}): ProbeResult {
  return {
    source: "docker:shop:1",
    names: ["docker.io/library/shop:1"],
    platform: "linux/amd64",
    action: "wrap",
    init: null,
    grace: 3,
    before: side(3050, 137, 20, ["python3", "app.py"]),
    after: side(41, 143, 0, ["/initwrap", "--", "python3", "app.py"]),
    diagnostics: [],
    ...change,
  };
}

/** What an image may call itself and its programs, to break a page, a table or a terminal. */
const HOSTILE = '<script>alert("1")</script>|`x`\u001b[31m&amp;\u0000';
const hostile = result({
  names: [],
  source: `docker-archive:${HOSTILE}.tar`,
  before: side(3050, 137, 20, [HOSTILE]),
});

it("the table puts both sides next to each other, and counts processes that look alike", () => {
  expect(tableLines(result())).toEqual([
    "shop:1                 as it is        with the init",
    "Stop by SIGTERM        3.05 s, killed  0.04 s",
    "Exit code              137             143",
    "Signals lost           2 of 2          0 of 2",
    "Zombies of 20 orphans  20              0",
    "PID 1                  python3 app.py  /initwrap -- python3 app.py",
    "",
    "Processes as it is, after the orphans:",
    "  python3 app.py",
    "    [gone] zombie × 20",
    "",
    "Processes with the init, after the orphans:",
    "  /initwrap -- python3 app.py",
  ]);
  expect(tableLines(hostile).join("")).not.toMatch(/[\x00-\x1f]/);
});

it("the tree keeps branches apart that differ", () => {
  const one = (pid: number, parent: number, word: string) => ({
    pid,
    parent,
    name: word,
    commandLine: [word],
    zombie: false,
  });
  const processes = [one(1, 0, "sh"), one(2, 1, "web"), one(3, 1, "web"), one(4, 3, "job"), one(5, 1, "web")];
  expect(treeLines(processes)).toEqual(["sh", "  web × 2", "  web", "    job"]);
});

it("the summary is one table of Markdown, whatever is in it", () => {
  expect(probeSummary(result(), "1.2.3")).toBe(`### What shop:1 loses without an init

| | as it is | with the init |
|---|---|---|
| Stop by SIGTERM | 3.05 s, killed | 0.04 s |
| Exit code | 137 | 143 |
| Signals lost | 2 of 2 | 0 of 2 |
| Zombies of 20 orphans | 20 | 0 |
| PID 1 | python3 app.py | /initwrap -- python3 app.py |

Signals lost as it is: HUP, TERM; with the init: none.
Measured by \`initwrap probe\` 1.2.3 on linux/amd64; the engine sent KILL after 3 s.
`);
  const text = probeSummary(hostile, "1.2.3");
  expect(text).not.toContain("<script");
  for (const row of text.split("\n").filter((line) => line.startsWith("|"))) {
    expect(row.replaceAll("\\|", "").split("|"), row).toHaveLength(5);
  }
});

it("an image that has an init is said to have it", () => {
  const one = side(30, 143, 0, ["/tini", "--", "app"]);
  const same = result({ action: "unchanged", init: "tini", before: one, after: one });
  expect(figuresOf(same).every(({ before, after }) => before === after)).toBe(true);
  for (const text of [probeSummary(same, "1"), probePage(same, "1")]) expect(text).toContain("has tini in front");
  expect(tableLines(same)[0]).toMatch(/as it is +the same, with tini in it$/);
});

it("a long command line is cut in the table, and whole in the tree", () => {
  const words = ["python3", "-c", "x".repeat(200)];
  const lines = tableLines(result({ before: side(3050, 137, 0, words) }));
  const row = lines.find((line) => line.startsWith("PID 1"))!;
  expect(row).toMatch(/^PID 1 +python3 -c x+… {2}\/initwrap -- python3 app\.py$/);
  expect(row.length).toBeLessThan(100);
  expect(lines).toContain(`  ${words.join(" ")}`);
});

it("says so when the stop is as late behind the init", () => {
  const late = result({ after: side(3050, 137, 0, ["/initwrap", "--", "app"]) });
  const said = "The container did not end within 3 s with the init either";
  for (const text of [probeSummary(late, "1"), probePage(late, "1")]) expect(text).toContain(said);
  for (const text of [probeSummary(result(), "1"), probePage(result(), "1")]) expect(text).not.toContain("either");
});

describe("the charts stay within their view", () => {
  const sides = [
    [side(0, 0, 0, []), side(0, 0, 0, [])],
    [side(600_000, 137, 1000, []), side(1, 0, 0, [])],
    [side(10, 0, 1, []), side(3_000, 0, 1, [])],
  ] as const;
  it.each(sides.map(([before, after], at) => [at, result({ before, after, grace: at === 1 ? 600 : 3 })] as const))(
    "case %i",
    (_, one) => {
      const timeline = timelineChart(one);
      for (const bar of timeline.bars) {
        expect(bar.width).toBeGreaterThanOrEqual(3);
        expect(bar.end).toBeLessThanOrEqual(360);
        // Of 7 units a letter at most.
        const from = bar.anchor === "end" ? bar.valueX - bar.value.length * 7 : bar.valueX;
        expect(from).toBeGreaterThanOrEqual(0);
        expect(from + bar.value.length * 7).toBeLessThanOrEqual(375);
      }
      expect(timeline.ticks.length).toBeGreaterThan(2);
      expect(timeline.ticks.length).toBeLessThan(9);
      const curve = curveChart(one);
      for (const { points, labelY } of curve.lines) {
        expect(labelY).toBeGreaterThan(0);
        for (const point of points.split(" ")) {
          const [x, y] = point.split(",").map(Number) as [number, number];
          expect(x).toBeGreaterThanOrEqual(0);
          expect(x).toBeLessThanOrEqual(360);
          expect(y).toBeGreaterThanOrEqual(0);
          expect(y).toBeLessThanOrEqual(176);
        }
      }
      expect(Math.abs(curve.lines[0]!.labelY - curve.lines[1]!.labelY)).toBeGreaterThanOrEqual(14);
    },
  );
});

describe("in a browser", () => {
  let browser: Browser;
  beforeEach(async (context) => {
    requireCapability(context, "Chromium", hasChromium);
    browser ??= await openBrowser();
  });
  afterAll(() => browser?.close());
  const open = (type: string, text: string, view = {}) =>
    openPage(browser, `data:${type};base64,${Buffer.from(text).toString("base64")}`, { ...view, offline: true });

  it.each(["light", "dark"] as const)(
    "the page is without serious findings in %s, and runs no script",
    async (colorScheme) => {
      for (const [one, width] of [
        [result(), 320],
        [hostile, 320],
        [hostile, 1280],
      ] as const) {
        const { page, problems, close } = await open("text/html", probePage(one, "1.2.3"), { colorScheme, width });
        expect(seriousFindings(await axeViolations(page))).toEqual([]);
        expect(await overflow(page)).toBeLessThanOrEqual(0);
        expect(problems).toEqual([]);
        expect(await page.evaluate("document.scripts.length")).toBe(0);
        await close();
      }
    },
  );

  it("the page on paper is light, and nothing of it is cut off", async () => {
    const wide = result({ before: side(3050, 137, 20, ["python3", "-c", `${"long ".repeat(60)}${"x".repeat(200)}`]) });
    const { page, close } = await open("text/html", probePage(wide, "1.2.3"), { colorScheme: "dark", width: 700 });
    // A region that scrolls is reached by the keyboard.
    const isCut = "[...document.querySelectorAll('pre')].map((pre) => pre.scrollWidth > pre.clientWidth)";
    expect(await page.evaluate(isCut)).toEqual([true, false]);
    expect(await page.evaluate("document.querySelector('pre').tabIndex")).toBe(0);
    await page.emulateMedia({ media: "print", colorScheme: "dark" });
    expect(await page.evaluate(isCut)).toEqual([false, false]);
    expect(await page.evaluate("getComputedStyle(document.body).backgroundColor")).toBe("rgb(255, 255, 255)");
    expect(await overflow(page)).toBeLessThanOrEqual(0);
    await close();
  });

  it("the figures of a bar are not crossed by the line of KILL", async () => {
    const { page, close } = await open("text/html", probePage(result(), "1.2.3"));
    const over = await page.evaluate<boolean>(
      "!!(document.querySelector('.kill').compareDocumentPosition(document.querySelector('.bar')) & Node.DOCUMENT_POSITION_FOLLOWING)",
    );
    expect(over).toBe(true);
    await close();
  });

  it("the page asks for nothing from elsewhere", () => {
    expect(probePage(hostile, "1.2.3")).not.toMatch(/(?:src|href)="(?!data:)|url\(|@import/);
  });

  it.each(["light", "dark"] as const)(
    "the picture is an image by itself, with words for those who cannot see it, in %s",
    async (colorScheme) => {
      for (const one of [result(), hostile]) {
        const { page, problems, close } = await open("image/svg+xml", probePicture(one, "1.2.3"), { colorScheme });
        // Not well-formed XML would be an element of the browser's own.
        expect(await page.evaluate("document.querySelector('parsererror')")).toBeNull();
        const words = await page.evaluate<string[]>(
          "document.documentElement.getAttribute('aria-labelledby').split(' ').map((id) => document.getElementById(id).textContent)",
        );
        expect(words[0]).toMatch(/^What .* loses without an init$/s);
        expect(words[1]).toContain("Exit code: 137, then 143.");
        expect(await page.evaluate("document.querySelectorAll('script, image, use, foreignObject').length")).toBe(0);
        const ink = await page.evaluate("getComputedStyle(document.querySelector('.head')).fill");
        expect(ink).toBe(colorScheme === "light" ? "rgb(31, 35, 40)" : "rgb(230, 237, 243)");
        expect(problems).toEqual([]);
        await close();
      }
    },
  );
});
