/**
 * What the recipes say of platforms and of other people's programs, tried with these: podman, which runs Kubernetes' manifests,
 * docker compose, a JVM.
 */
import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { INIT, requireInit, which } from "../init/harness.ts";
import { requireCapability } from "../support/capability.ts";
import { initwrapOk } from "../support/cli.ts";
import { requireEngine } from "../support/engine.ts";
import { buildContext, freshTag, removeContext } from "../support/images.ts";
import { podmanAvailable, startPodman, type TestPodman } from "../support/podman.ts";
import { compileProgram, ROOT } from "../support/programs.ts";

const exec = promisify(execFile);

/** The YAML blocks of a recipe. */
async function blocks(name: string): Promise<readonly string[]> {
  const text = await readFile(join(ROOT, `docs/recipes/${name}.md`), "utf8");
  return [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, block = ""]) => block);
}

/** The words of a process, by its pid on this machine. */
async function words(pid: string): Promise<readonly string[]> {
  return (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0").slice(0, -1);
}

describe("Kubernetes: a pod of the recipe's Deployment, by podman,", () => {
  let podman: TestPodman | undefined;
  let folder: string;
  // biome-ignore lint/suspicious/noExplicitAny: a manifest, whose form another test has looked at
  let deployment: any;
  let command: readonly string[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "initwrap-recipes-"));
    const [printed = "", fragment = ""] = await blocks("kubernetes");
    deployment = parse(printed);
    command = parse(fragment).command;
    if (!podmanAvailable) return;
    podman = await startPodman();
    const { image } = deployment.spec.template.spec.containers[0];
    await exec("cp", [await compileProgram("handler"), join(folder, "app")]);
    await exec("tar", ["-C", folder, "-cf", join(folder, "root.tar"), "app"]);
    const changes = ['ENTRYPOINT ["/app"]', 'CMD ["--default"]'].flatMap((one) => ["--change", one]);
    await podman.podman(["import", "--quiet", ...changes, join(folder, "root.tar"), image]);
    await podman.podman(["save", "--quiet", "--output", join(folder, "image.tar"), image]);
    await podman.podman(["rmi", image]);
    await initwrapOk(["image", join(folder, "image.tar")]);
    await podman.podman(["load", "--quiet", "--input", join(folder, "image.tar")]);
  }, 120_000);
  afterAll(async () => {
    await podman?.podman(["pod", "rm", "--all", "--force", "--time", "0"]);
    await podman?.stop();
    await rm(folder, { recursive: true });
  });

  interface Pod {
    readonly container: string;
    /** The container's first process, as this machine sees it. */
    readonly pid: string;
    remove(): Promise<unknown>;
  }

  /** Starts the Deployment, with other fields in its pod and its container. */
  async function play(fields: object = {}, podFields: object = {}): Promise<Pod> {
    const { podman: call } = podman as TestPodman;
    const changed = structuredClone(deployment);
    const pod = changed.spec.template.spec;
    Object.assign(pod, podFields);
    Object.assign(pod.containers[0], fields);
    const file = join(folder, "deployment.yaml");
    await writeFile(file, stringify(changed));
    await call(["kube", "play", "--network=none", file]);
    const container = "shop-pod-0-shop";
    await expect.poll(() => call(["logs", container]), { timeout: 20_000 }).toContain("ready");
    const pid = (await call(["inspect", "--format", "{{.State.Pid}}", container])).trim();
    return { container, pid, remove: () => call(["pod", "rm", "--force", "--time", "0", "shop-pod-0"]) };
  }

  it("has the init with `args:`, which stand for CMD; holds TERM back, ends by its program's code, and reports", {
    timeout: 120_000,
  }, async (context) => {
    requireCapability(context, "podman", podman !== undefined);
    // What the kubelet mounts there.
    const log = join(folder, "termination-log");
    await writeFile(log, "");
    const env = deployment.spec.template.spec.containers[0].env.map((one: { value: string }) =>
      one.value === "5s" ? { ...one, value: "1s" } : one,
    );
    const mount = { name: "log", mountPath: "/dev/termination-log" };
    const { container, pid, remove } = await play(
      { env, volumeMounts: [mount] },
      { volumes: [{ name: "log", hostPath: { path: log, type: "File" } }] },
    );
    try {
      expect(await words(pid)).toEqual(["/initwrap", "--", "/app", "--port", "8080"]);
      const from = performance.now();
      await podman?.podman(["stop", "--time", "20", container]);
      expect(performance.now() - from).toBeGreaterThan(1000);
      expect(await podman?.podman(["inspect", "--format", "{{.State.ExitCode}}", container])).toBe("7\n");
      expect(JSON.parse(await readFile(log, "utf8"))).toMatchObject({ exitCode: 7, signal: null });
    } finally {
      await remove();
    }
  });

  it("has no init with a `command:`, but for the one that names it; with `shareProcessNamespace` it is not PID 1", {
    timeout: 120_000,
  }, async (context) => {
    requireCapability(context, "podman", podman !== undefined);
    const bare = await play({ command: ["/app"] });
    expect(await words(bare.pid).finally(bare.remove)).toEqual(["/app", "--port", "8080"]);
    const named = await play({ command, args: undefined }, { shareProcessNamespace: true });
    try {
      expect(await words(named.pid)).toEqual(["/initwrap", "--", "/app", "--worker"]);
      const [, inside] = /^NSpid:.*\s(\d+)$/m.exec(await readFile(`/proc/${named.pid}/status`, "utf8")) ?? [];
      expect(Number(inside)).toBeGreaterThan(1);
    } finally {
      await named.remove();
    }
  });
});

describe("Compose: docker compose", () => {
  it("puts its own init in front, replaces the image's by an entrypoint, and keeps it with a command", {
    timeout: 120_000,
  }, async (context) => {
    const engine = requireEngine(context, "newest");
    const [own = "", , entrypoint = ""] = await blocks("compose");
    const folder = await buildContext('FROM scratch\nCOPY handler /app\nENTRYPOINT ["/app"]\nCMD ["--web"]\n', [
      await compileProgram("handler"),
    ]);
    const plain = freshTag("recipes");
    const wrapped = `${plain}-init`;
    const project = plain.replace(/\W/g, "-");
    const compose = (...args: string[]) =>
      engine.docker(["compose", "--project-name", project, ...args], { cwd: folder });
    try {
      await engine.docker(["build", "--quiet", "--provenance=false", "--tag", plain, folder]);
      await initwrapOk(["image", plain, "--tag", wrapped], { env: engine.env });
      const services = {
        own: { ...parse(own).services.web, image: plain },
        both: { ...parse(own).services.web, image: wrapped },
        entrypoint: { ...parse(entrypoint).services.worker, image: wrapped },
        bare: { ...parse(entrypoint).services.worker, image: wrapped, entrypoint: ["/app"] },
        alone: { image: wrapped, entrypoint: ["/app"] },
        command: { image: wrapped, command: ["--worker"] },
        signal: { image: wrapped, stop_signal: "SIGINT", stop_grace_period: "5s" },
      };
      const offline = Object.entries(services).map(([name, one]) => [name, { ...one, network_mode: "none" }]);
      await writeFile(join(folder, "compose.yaml"), stringify({ services: Object.fromEntries(offline) }));
      await compose("up", "--detach");
      const commandOf = async (name: string): Promise<string> => {
        const id = (await compose("ps", "--quiet", name)).stdout.trim();
        const { stdout } = await engine.docker(["inspect", "--format", "{{.State.Pid}}", id]);
        return (await words(stdout.trim())).join(" ");
      };
      const found = await Promise.all(Object.keys(services).map(async (name) => [name, await commandOf(name)]));
      expect(Object.fromEntries(found)).toEqual({
        own: "/sbin/docker-init -- /app --web",
        both: "/sbin/docker-init -- /initwrap -- /app --web",
        entrypoint: "/initwrap -- /app --worker",
        bare: "/app --worker",
        alone: "/app",
        command: "/initwrap -- /app --worker",
        signal: "/initwrap -- /app --web",
      });
      await compose("stop", "signal");
      const id = (await compose("ps", "--quiet", "--all", "signal")).stdout.trim();
      // SIGINT, which the program has no handler for, and which ends it behind an init.
      expect((await engine.docker(["inspect", "--format", "{{.State.ExitCode}}", id])).stdout.trim()).toBe("130");
    } finally {
      await compose("down", "--timeout", "0").catch(() => undefined);
      await engine.docker(["rmi", "--force", wrapped, plain], { check: false });
      await removeContext(folder);
    }
  });
});

/**
 * Runs a program as PID 1 of a PID namespace, whose end is everything's, and sends it TERM when it has said "ready". Gives what
 * it said after that, and the exit code.
 */
async function stopped(line: readonly string[], cwd: string): Promise<string> {
  const child = spawn("unshare", ["--pid", "--fork", "--kill-child", "--", ...line], {
    cwd,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  let output = "";
  await new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (output.includes("ready\n")) resolve();
    });
    ended.then((code) => reject(new Error(`${line.join(" ")} ended with ${code}:\n${output}`)));
  });
  const pid = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, "utf8");
  process.kill(Number(pid), "SIGTERM");
  const code = await ended;
  return `${output.split("ready\n")[1]?.replace("\n", " ")}${code}`;
}

/** Stops each, all at the same time. */
async function allStopped(
  lines: Readonly<Record<string, readonly string[]>>,
  cwd: string,
): Promise<Readonly<Record<string, string>>> {
  const found = await Promise.all(
    Object.entries(lines).map(async ([name, line]) => [name, await stopped(line, cwd)] as const),
  );
  return Object.fromEntries(found);
}

describe("Java: a JVM", () => {
  const PROGRAM = `public class App {
    public static void main(String[] words) throws Exception {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try { Thread.sleep(300); } catch (InterruptedException e) { }
            System.out.println("stopped");
        }));
        System.out.println("ready");
        Thread.sleep(600000);
    }
}
`;
  it("runs its hooks at TERM and exits with 143, behind the init too; behind a shell it is cut short but for `exec` or --grace", {
    timeout: 180_000,
  }, async (context) => {
    requireInit(context);
    requireCapability(context, "java", which("java") !== undefined);
    requireCapability(context, "unshare as root", process.getuid?.() === 0);
    const folder = await mkdtemp(join(tmpdir(), "initwrap-java-"));
    await writeFile(join(folder, "App.java"), PROGRAM);
    try {
      // One JVM's file of figures is in the other's way, for all have the same process ID.
      const java = "java -XX:TieredStopAtLevel=1 -XX:-UsePerfData App.java";
      const shell = ["sh", "-c", `${java}; exit`];
      const lines = {
        alone: java.split(" "),
        behind: [INIT, "--", ...java.split(" ")],
        shell: [INIT, "--", ...shell],
        exec: [INIT, "--", "sh", "-c", `exec ${java}`],
        grace: [INIT, "--grace=30s", "--", ...shell],
        mapped: [INIT, "--exit-map=143", "--", ...java.split(" ")],
      };
      expect(await allStopped(lines, folder)).toEqual({
        alone: "stopped 143",
        behind: "stopped 143",
        shell: "143",
        exec: "stopped 143",
        grace: "stopped 143",
        mapped: "stopped 0",
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("Node.js: npm start", () => {
  it("is over before the program has finished, but for --grace; the program by itself finishes", {
    timeout: 180_000,
  }, async (context) => {
    requireInit(context);
    requireCapability(context, "unshare as root", process.getuid?.() === 0);
    const folder = await mkdtemp(join(tmpdir(), "initwrap-npm-"));
    const finish = 'setTimeout(() => { console.log("stopped"); process.exit(0); }, 500)';
    await writeFile(
      join(folder, "server.js"),
      `process.once("SIGTERM", () => ${finish});\nsetInterval(() => {}, 1000);\nconsole.log("ready");\n`,
    );
    await writeFile(join(folder, "package.json"), '{ "scripts": { "start": "node server.js" } }\n');
    try {
      const lines = {
        npm: [INIT, "--", "npm", "start"],
        grace: [INIT, "--grace=10s", "--", "npm", "start"],
        named: [INIT, "--", "node", "server.js"],
      };
      expect(await allStopped(lines, folder)).toEqual({ npm: "143", grace: "stopped 143", named: "stopped 0" });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
