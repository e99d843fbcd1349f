/** `initwrap probe` on images in real engines: what having no init costs, and that nothing of the measuring is left. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { axeViolations, hasChromium, openBrowser, openPage, overflow, seriousFindings } from "../support/chromium.ts";
import { CLI, initwrap, initwrapOk } from "../support/cli.ts";
import { type Engine, requireEngine } from "../support/engine.ts";
import { BASE_IMAGE, buildContext, freshTag, provideBaseImage, removeContext } from "../support/images.ts";
import { podmanAvailable, startPodman } from "../support/podman.ts";
import { probeDocumentOf } from "../support/probe.ts";
import { compileProgram, scriptProgram } from "../support/programs.ts";

const TINI = "/usr/bin/tini-static";

// Each test runs several containers, on engines that other tests use at the same time. Most of it is waiting, for what is
// measured to happen: so the tests of this file run beside each other, and none of them asserts how quick something is.
vi.setConfig({ testTimeout: 400_000 });

let folder: string;
let browser: Browser | undefined;
const contexts: string[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-probe-"));
});
afterAll(async () => {
  await browser?.close();
  await Promise.all([folder, ...contexts].map(removeContext));
});

const SLEEPER = `FROM ${BASE_IMAGE}\nCOPY sleeper.py /app/sleeper.py\nENTRYPOINT ["python3"]\nCMD ["/app/sleeper.py"]\n`;
/** A program that ends with 7 on TERM, and prints "ready". */
const HANDLER = 'FROM scratch\nCOPY handler /handler\nENTRYPOINT ["/handler"]\nCMD ["serve"]\n';

async function build(
  engine: Engine,
  dockerfile: string,
  files: readonly string[],
  args: readonly string[] = [],
): Promise<string> {
  const context = await buildContext(dockerfile, files);
  contexts.push(context);
  const tag = freshTag("probe");
  await engine.docker(["build", "--quiet", ...args, "--tag", tag, "."], { cwd: context });
  return tag;
}

/** The containers of `image`, whoever made them. */
async function containersOf(engine: Engine, image: string): Promise<string> {
  const line = ["ps", "--all", "--filter", `ancestor=${image}`, "--format", "{{.Names}}"];
  return (await engine.docker(line)).stdout;
}

async function idOf(engine: Engine, image: string): Promise<string | undefined> {
  const { status, stdout } = await engine.docker(["inspect", "--type=image", "--format", "{{.Id}}", image], {
    check: false,
  });
  return status === 0 ? stdout.trim() : undefined;
}

const tags: [Engine, string][] = [];
afterAll(async () => {
  for (const [engine, tag] of tags) await engine.docker(["rmi", "--force", tag], { check: false });
});

/** Seconds, out of a table's cell. */
function secondsIn(text: string | undefined): number {
  return Number(/^([\d.]+) s/.exec(text ?? "")?.[1]);
}

/** From the grace of 3 s, killed, 137 and 20 zombies to an end before that, 143 and none. */
function expectFigures(rows: ReadonlyMap<string, readonly [before: string, after: string]>): void {
  const [stopBefore, stopAfter] = rows.get("Stop by SIGTERM") ?? [];
  expect(stopBefore).toMatch(/^\d+\.\d\d s, killed$/);
  expect(secondsIn(stopBefore)).toBeGreaterThanOrEqual(2.9);
  expect(secondsIn(stopAfter)).toBeLessThan(2.9);
  expect(stopAfter).not.toContain("killed");
  expect(rows.get("Exit code")).toEqual(["137", "143"]);
  // Python itself handles INT.
  expect(rows.get("Signals lost")).toEqual(["5 of 6", "0 of 6"]);
  expect(rows.get("Zombies of 20 orphans")).toEqual(["20", "0"]);
}

describe.concurrent.each(["modern", "modern-graph", "classic"] as const)(
  "a program without handlers, in Docker (%s)",
  (name) => {
    it("is seen to lose time, its exit code, signals and zombies, and nothing else changes", async (context) => {
      const engine = requireEngine(context, name);
      await provideBaseImage(engine);
      const tag = await build(engine, SLEEPER, [scriptProgram("sleeper.py")]);
      tags.push([engine, tag]);
      const id = await idOf(engine, tag);
      const probe = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
        initwrapOk(["probe", tag, "--ready", "ready", ...args], { env: { ...engine.env, ...env } });

      if (name === "modern") {
        // All that is written for people, of one run: the picture, the page and the job's summary.
        const page = join(folder, "report.html");
        const summary = join(folder, "summary.md");
        const { stdout, stderr } = await probe(["--format", "svg", "--report", page], { GITHUB_STEP_SUMMARY: summary });
        expect(stderr).toContain("stopping the image as it is...\n");
        const said = /<desc[^>]*>(.*?)<\/desc>/.exec(stdout.toString())?.[1] ?? "";
        const figures = [...said.matchAll(/([A-Z][\w ]+): ([^.]*(?:\.\d\d s)?[^.]*), then ([^.]*(?:\.\d\d s)?)\./g)];
        expectFigures(new Map(figures.map(([, label, before, after]) => [label!, [before!, after!]])));
        const rows = [...(await readFile(summary, "utf8")).matchAll(/^\| (.+?) \| (.+?) \| (.+?) \|$/gm)];
        expectFigures(new Map(rows.map(([, label, before, after]) => [label!, [before!, after!]])));
        requireCapability(context, "Chromium", hasChromium);
        await expectPage(page, tag);
      } else if (name === "modern-graph") {
        const document = probeDocumentOf((await probe(["--json"])).stdout.toString());
        expect(document).toMatchObject({ source: `docker:${tag}`, action: "wrap", init: null, grace: 3 });
        const { before, after } = document;
        expect(before.image).toBe(id);
        expect(before.stop).toMatchObject({ signal: "SIGTERM", exitCode: 137 });
        expect(before.stop.milliseconds).toBeGreaterThanOrEqual(before.stop.killedAfter!);
        expect(before.stop.killedAfter).toBeGreaterThanOrEqual(2900);
        expect(after.stop).toMatchObject({ exitCode: 143, killedAfter: null });
        expect(after.stop.milliseconds).toBeLessThan(2900);
        const outcomes = (side: typeof before) => side.signals.map(({ signal, outcome }) => `${signal} ${outcome}`);
        const ended = ["HUP", "INT", "QUIT", "USR1", "USR2", "TERM"].map((one) => `SIG${one} ended`);
        expect(outcomes(before)).toEqual(
          ended.map((one) => (one.startsWith("SIGINT") ? one : one.replace("ended", "lost"))),
        );
        expect(outcomes(after)).toEqual(ended);
        expect(after.signals.map(({ exitCode }) => exitCode)).toEqual([129, 130, 131, 138, 140, 143]);
        expect([before.orphans.zombies, after.orphans.zombies]).toEqual([20, 0]);
        expect(before.orphans.processes.filter(({ zombie, parent }) => zombie && parent === 1)).toHaveLength(20);
        expect(after.orphans.processes.map(({ commandLine }) => commandLine.join(" "))).toEqual([
          "/initwrap -- python3 /app/sleeper.py",
          "python3 /app/sleeper.py",
        ]);
        const curve = before.orphans.curve.map(({ zombies }) => zombies);
        expect(curve.at(0)).toBeLessThan(5);
        expect(curve).toEqual(curve.toSorted((a, b) => a - b));
        // The wrapped copy is gone with its name.
        expect(await idOf(engine, after.image)).toBeUndefined();
      } else {
        const { stdout } = await probe([]);
        const [head, ...lines] = stdout.toString().split("\n");
        expect(head).toMatch(new RegExp(`^${tag} +as it is +with the init$`));
        const rows = lines.map((line) => line.split(/ {2,}/));
        expectFigures(new Map(rows.map(([label, before, after]) => [label!, [before ?? "", after ?? ""]])));
        expect(stdout.toString()).toContain("\n  python3 /app/sleeper.py\n    [initwrap-prober] zombie × 20\n");
      }
      expect(await idOf(engine, tag)).toBe(id);
      expect(await containersOf(engine, tag)).toBe("");
    });
  },
);

/** In both colour schemes, on a wide and on a narrow screen, without a network. */
async function expectPage(file: string, image: string): Promise<void> {
  browser ??= await openBrowser();
  for (const colorScheme of ["light", "dark"] as const) {
    for (const width of [1280, 320]) {
      const visit = await openPage(browser, pathToFileURL(file).href, { colorScheme, width, offline: true });
      const { page } = visit;
      expect(seriousFindings(await axeViolations(page)), colorScheme).toEqual([]);
      expect(await overflow(page), `${width} pixels`).toBeLessThanOrEqual(0);
      expect(visit.problems).toEqual([]);
      if (width === 1280) {
        expect(await page.title()).toBe(`What ${image} loses without an init`);
        const rows = await page.evaluate<string[][]>(
          "[...document.querySelectorAll('.figures tbody tr')].map((row) => [...row.cells].map((cell) => cell.innerText))",
        );
        expectFigures(new Map(rows.map(([label, before, after]) => [label!, [before!, after!]])));
        // The charts are drawn: a bar of some length, and a curve that leaves the ground only without the init.
        const bars = await page.evaluate<number[]>(
          "[...document.querySelectorAll('.bar')].map((bar) => bar.getBoundingClientRect().width)",
        );
        expect(bars[0]).toBeGreaterThan(bars[1]!);
        const heights = await page.evaluate<number[]>(
          "[...document.querySelectorAll('.line')].map((line) => line.getBBox().height)",
        );
        expect(heights[0]).toBeGreaterThan(90);
        expect(heights[1]).toBeLessThan(30);
        expect(await page.evaluate("document.scripts.length")).toBe(0);
        const paper = await page.evaluate("getComputedStyle(document.body).backgroundColor");
        expect(paper).toBe(colorScheme === "light" ? "rgb(255, 255, 255)" : "rgb(13, 17, 23)");
      }
      await visit.close();
    }
  }
}

describe.concurrent("other images", () => {
  let engine: Engine;
  beforeEach((context) => {
    engine = requireEngine(context);
  });
  const builtOn = async (
    on: Engine,
    dockerfile: string,
    more: readonly string[] = [],
    args: readonly string[] = [],
  ): Promise<string> => {
    const tag = await build(on, dockerfile, [await compileProgram("handler"), ...more], args);
    tags.push([on, tag]);
    return tag;
  };
  const built = (dockerfile: string): Promise<string> => builtOn(engine, dockerfile);
  const QUICK = ["--ready", "ready", "--grace", "1", "--orphans", "4"];

  it("from an archive, with a handler of their own, come under a name that is gone afterwards", async () => {
    const tag = await built(`${HANDLER}LABEL only=probe\n`);
    const archive = join(folder, "app.tar");
    await engine.docker(["save", "--output", archive, tag]);
    await engine.docker(["rmi", "--force", tag]);
    const { stdout } = await initwrapOk(["probe", archive, ...QUICK, "--json"], { env: engine.env });
    const { before, after, source } = probeDocumentOf(stdout.toString());
    expect(source).toMatch(/^(?:docker|oci)-archive:/);
    for (const { stop, signals } of [before, after]) {
      expect(stop).toMatchObject({ exitCode: 7, killedAfter: null });
      expect(signals.at(-1)).toEqual({ signal: "SIGTERM", outcome: "ended", exitCode: 7 });
    }
    expect([before.orphans.zombies, after.orphans.zombies]).toEqual([4, 0]);
    for (const { image } of [before, after]) expect(await idOf(engine, image)).toBeUndefined();
    // Under a name of the user's it stays, under no other.
    await engine.docker(["load", "--input", archive]);
    const id = await idOf(engine, tag);
    await initwrapOk(["probe", archive, ...QUICK], { env: engine.env });
    expect(await idOf(engine, tag)).toBe(id);
    expect(await containersOf(engine, tag)).toBe("");
  });

  it("with an init in front already are said to have it, and have equal figures", async (context) => {
    const graph = requireEngine(context, "modern-graph");
    requireCapability(context, "tini-static", existsSync(TINI));
    const tag = await builtOn(graph, `${HANDLER}COPY tini-static /tini\nENTRYPOINT ["/tini", "--", "/handler"]\n`, [
      TINI,
    ]);
    const { stdout } = await initwrapOk(["probe", tag, ...QUICK, "--json"], { env: graph.env });
    const { before, after, action, init, diagnostics } = probeDocumentOf(stdout.toString());
    expect([action, init, after.image]).toEqual(["unchanged", "tini", before.image]);
    expect(diagnostics.map(({ code }) => code)).toEqual(["EXISTING_INIT"]);
    expect([after.stop.exitCode, after.signals, after.orphans.zombies]).toEqual([7, before.signals, 0]);
    expect(before).toMatchObject({ stop: { exitCode: 7 }, orphans: { zombies: 0 } });
  });

  it("that nothing can be measured of are refused, with what to do", async (context) => {
    const graph = requireEngine(context, "modern-graph");
    const none = await builtOn(graph, "FROM scratch\nCOPY handler /handler\n");
    const refused = await initwrap(["probe", none], { env: graph.env });
    expect([refused.status, refused.stdout.toString()]).toEqual([5, ""]);
    expect(refused.stderr).toMatch(/neither ENTRYPOINT nor CMD[\s\S]*-- sleep 1000/);
    // As Debian's own image does: a shell without a terminal.
    await provideBaseImage(graph);
    const ended = await builtOn(graph, `FROM ${BASE_IMAGE}\nCMD ["sh", "-c", "echo no config; exit 3"]\n`);
    const over = await initwrap(["probe", ended], { env: graph.env });
    expect(over.status).toBe(5);
    expect(over.stderr).toContain("the container as it is ended by itself with exit code 3");
    expect(over.stderr).toContain("no config");
    const late = await initwrap(["probe", ended, "--ready", "never", "--timeout", "1", "--", "sleep", "9"], {
      env: graph.env,
    });
    expect(late.status).toBe(5);
    expect(late.stderr).toContain('did not print "never" in time');
    for (const tag of [none, ended]) expect(await containersOf(graph, tag)).toBe("");
    const nobody = await initwrap(["probe", ended], { env: { ...graph.env, DOCKER_HOST: "unix:///nowhere.sock" } });
    expect([nobody.status, nobody.stderr]).toEqual([6, expect.stringContaining("error[DAEMON_UNREACHABLE]")]);
    expect(nobody.stderr).toContain("there is no socket");
    for (const flags of [
      ["--grace", "0"],
      ["--orphans", "x"],
      ["--env", "=x"],
      ["--format", "pdf"],
    ]) {
      expect((await initwrap(["probe", ended, ...flags], { env: graph.env })).status, flags.join(" ")).toBe(2);
    }
  });

  it("are left without a container or another name when the run is interrupted", async () => {
    const tag = await built(`${HANDLER}LABEL only=${freshTag("interrupted")}\n`);
    const child = spawn(process.execPath, [CLI, "probe", tag], { env: engine.env, stdio: "ignore" });
    const exited = new Promise<number | null>((resolve) => child.on("exit", resolve));
    let seen = "";
    for (let tries = 0; tries < 600 && !seen; tries++) {
      seen = (await containersOf(engine, tag)).match(/^initwrap-probe-\S+/m)?.[0] ?? "";
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(seen).not.toBe("");
    child.kill("SIGINT");
    expect(await exited).toBe(130);
    expect(await containersOf(engine, tag)).toBe("");
    const digest = (await initwrapOk(["image", tag, "--dry-run", "--json"], { env: engine.env })).stdout;
    expect(await idOf(engine, JSON.parse(digest.toString()).digest)).toBeUndefined();
  });

  it("are left without a copy when the run is interrupted while that is made", async (context) => {
    const classic = requireEngine(context, "classic");
    const interrupted = async (wait: number): Promise<void> => {
      // An image of its own, for the copies of one are the same.
      const label = `LABEL only=${freshTag("interrupted")}\n`;
      const tag = await build(classic, HANDLER + label, [await compileProgram("handler")]);
      tags.push([classic, tag]);
      const plan = await initwrapOk(["image", tag, "--dry-run", "--json"], { env: classic.env });
      const { digest } = JSON.parse(plan.stdout.toString()) as { digest: string };
      const child = spawn(process.execPath, [CLI, "probe", tag], {
        env: classic.env,
        stdio: ["ignore", "ignore", "pipe"],
      });
      const exited = new Promise<number | null>((resolve) => child.on("exit", resolve));
      await new Promise((resolve) => child.stderr.once("data", resolve));
      await new Promise((resolve) => setTimeout(resolve, wait));
      child.kill("SIGTERM");
      expect(await exited).toBe(143);
      expect(await idOf(classic, digest)).toBeUndefined();
      expect(await containersOf(classic, tag)).toBe("");
    };
    await Promise.all([100, 300, 500, 700].map(interrupted));
  });

  it("at the same time, of one image, are measured beside each other, and leave nothing", async () => {
    const tag = await built(`${HANDLER}LABEL only=${freshTag("twice")}\n`);
    const results = await Promise.all(
      [1, 2].map(() => initwrapOk(["probe", tag, ...QUICK, "--json"], { env: engine.env })),
    );
    for (const { stdout } of results) {
      const { before, after } = probeDocumentOf(stdout.toString());
      expect([before.stop.exitCode, after.stop.exitCode]).toEqual([7, 7]);
      expect([before.orphans.zombies, after.orphans.zombies]).toEqual([4, 0]);
      expect(await idOf(engine, after.image)).toBeUndefined();
    }
    expect(await containersOf(engine, tag)).toBe("");
  });

  it("are told apart by what no init can change: a stop that takes longer, a signal that nobody handles", async (context) => {
    const graph = requireEngine(context, "modern-graph");
    await provideBaseImage(graph);
    const slow =
      "import signal, time; signal.signal(15, lambda *_: time.sleep(30)); print('ready', flush=True); time.sleep(99)";
    const [late, kill, queued] = await Promise.all([
      builtOn(graph, `FROM ${BASE_IMAGE}\nENTRYPOINT ${JSON.stringify(["python3", "-c", slow])}\n`),
      builtOn(graph, `${HANDLER}STOPSIGNAL SIGKILL\n`),
      builtOn(graph, `${HANDLER}STOPSIGNAL SIGRTMIN+3\n`),
    ]);
    const table = await initwrapOk(["probe", late!, ...QUICK], { env: graph.env });
    expect(table.stderr).toContain("warning[STOP_LATE]");
    // A command line may be long; the table is not.
    const [rows, trees] = table.stdout.toString().split("\n\n");
    expect(Math.max(...rows!.split("\n").map((line) => line.length))).toBeLessThan(130);
    expect(trees).toContain(`python3 -c ${slow}`);
    const [dead, real] = await Promise.all(
      [kill!, queued!].map(async (tag) => {
        const { stdout } = await initwrapOk(["probe", tag, ...QUICK, "--json"], { env: graph.env });
        return probeDocumentOf(stdout.toString());
      }),
    );
    expect(dead!.diagnostics.map(({ code }) => code)).toEqual(["STOPSIGNAL_KILL"]);
    expect([dead!.before.stop, dead!.after.stop]).toMatchObject([{ exitCode: 137 }, { exitCode: 137 }]);
    // A program without a handler: as PID 1 it is killed, behind the init the signal itself ends it.
    expect(real!.before.stop).toMatchObject({ signal: "SIGRTMIN+3", exitCode: 137 });
    expect(real!.before.stop.killedAfter).not.toBeNull();
    expect(real!.after.stop).toMatchObject({ exitCode: 165, killedAfter: null });
  });

  it("are not measured for a page that cannot be written, nor looked for without an engine", async (context) => {
    const graph = requireEngine(context, "modern-graph");
    const begin = await initwrap(["probe", "x", "--report", join(folder, "none/x.html")], { env: graph.env });
    expect([begin.status, begin.stdout.toString()]).toEqual([7, ""]);
    expect(begin.stderr).toContain("the folder does not exist");
    expect(begin.stderr).not.toContain("making");
    const place = await initwrap(["probe", "x", "--report", folder], { env: graph.env });
    expect([place.status, place.stderr]).toEqual([7, expect.stringContaining("it is a folder")]);
    const foreign = await builtOn(
      graph,
      'FROM scratch\nCOPY handler /handler\nENTRYPOINT ["/handler"]\n',
      [],
      ["--platform", "linux/arm64"],
    );
    const other = await initwrap(["probe", foreign], { env: graph.env });
    expect([other.status, other.stderr]).toEqual([3, expect.stringContaining("hint: There is linux/arm64")]);
    // A bare shell has no use of what other programs need.
    await provideBaseImage(graph);
    const shell = await initwrap(["probe", BASE_IMAGE], { env: graph.env });
    expect([shell.status, shell.stderr]).toEqual([5, expect.stringContaining("A shell without a terminal")]);
  });

  it("out of podman's storage are brought to the Docker Engine, and taken away again", async (context) => {
    requireCapability(context, "podman", podmanAvailable);
    const tag = await built(`${HANDLER}LABEL only=podman\n`);
    const archive = join(folder, "podman.tar");
    await engine.docker(["save", "--output", archive, tag]);
    await engine.docker(["rmi", "--force", tag]);
    const podman = await startPodman();
    try {
      await podman.podman(["load", "--input", archive]);
      const env = { ...podman.env, ...engine.env, CONTAINER_HOST: podman.env["CONTAINER_HOST"] };
      const { stdout } = await initwrapOk(["probe", `podman:docker.io/${tag}`, ...QUICK, "--json"], { env });
      const { before, after } = probeDocumentOf(stdout.toString());
      expect([before.orphans.zombies, after.orphans.zombies]).toEqual([4, 0]);
      for (const { image } of [before, after]) expect(await idOf(engine, image)).toBeUndefined();
      expect(await podman.podman(["images", "--format", "{{.Repository}}:{{.Tag}}"])).toBe(`docker.io/${tag}\n`);
    } finally {
      await podman.stop();
    }
  });
});
