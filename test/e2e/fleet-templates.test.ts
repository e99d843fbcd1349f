/** The files that split a list over machines: each parses, and the command in it is run as its machines would run it. */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { RegistrySession } from "../../packages/cli/src/store/registry/session.ts";
import { sampleImage } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { CLI } from "../support/cli.ts";
import { ROOT } from "../support/programs.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { putImage, readWhole } from "../support/registry-image.ts";

const IMAGES = 6;
/** Exit codes after which the same part is worth another try: of npx, of a registry, of signals. */
const AGAIN = [1, 6, 130, 137, 143];
const session = new RegistrySession({ env: { HOME: "/nonexistent" } });
let registry: TestRegistry;
let folder: string;
let version: string;

beforeAll(async () => {
  version = JSON.parse(await readFile(join(ROOT, "packages/cli/package.json"), "utf8")).version;
  folder = await mkdtemp(join(tmpdir(), "initwrap-fleet-files-"));
  if (!registryAvailable) return;
  registry = await startRegistry();
});
afterAll(async () => {
  await session.close();
  await registry?.stop();
  await rm(folder, { recursive: true });
});
beforeEach((context) => requireCapability(context, "docker-registry", registryAvailable));

// biome-ignore lint/suspicious/noExplicitAny: what the files hold is what the tests look at
async function documents(name: string): Promise<any[]> {
  const parsed = parseAllDocuments(await readFile(join(ROOT, "templates/fleet", name), "utf8"));
  return [...parsed].map((document) => {
    expect([...document.errors, ...document.warnings]).toEqual([]);
    return document.toJS();
  });
}

/**
 * Runs a script as sh does, in the folder with refs.txt; `npx` is this version's program, and /fleet is the folder. In a checkout
 * npm has to be kept from the project's files.
 */
function sh(script: string, env: Record<string, string>): Promise<number | null> {
  const inCheckout = !script.includes("/fleet/");
  const npx = `npx() {
  [ "$1" = --yes ] && shift || return 99
  ${inCheckout ? '[ "$1" = --prefix ] && [ -d "$2" ] && [ -z "$(ls -A "$2")" ] && shift 2 || return 98' : ""}
  [ "$1" = "initwrap@${version}" ] && shift || return 97
  "${process.execPath}" "${CLI}" "$@"
}
`;
  // exec runs programs only, and npx is a function here.
  const text = npx + script.replaceAll("/fleet/", "./").replace(/^exec /, "");
  const child = spawn("sh", ["-ec", text], {
    cwd: folder,
    env: { PATH: process.env["PATH"], HOME: "/nonexistent", ...env },
    stdio: ["ignore", "ignore", "inherit"],
  });
  return new Promise((resolve) => child.on("close", resolve));
}

/** How many machines a file starts, and what machine `number` (from 1) of them runs. */
const MACHINES: Readonly<
  Record<string, () => Promise<{ readonly count: number; readonly run: (number: number) => Promise<number | null> }>>
> = {
  "github-actions.yml": async () => {
    const [{ jobs }] = await documents("github-actions.yml");
    const { shard } = jobs.wrap.strategy.matrix;
    expect(shard).toEqual(Array.from(shard, (_, at) => at + 1));
    const step = jobs.wrap.steps.find(({ name }: { name?: string }) => name === "wrap");
    const fill = (text: string, number: number): string =>
      text.replace("${{ matrix.shard }}", String(number)).replace("${{ strategy.job-total }}", shard.length);
    expect(step.run).not.toContain("${{");
    return { count: shard.length, run: (number) => sh(step.run, { SHARD: fill(step.env.SHARD, number) }) };
  },
  "gitlab-ci.yml": async () => {
    const [{ "wrap-images": job }] = await documents("gitlab-ci.yml");
    return {
      count: job.parallel,
      run: (number) =>
        sh(job.script.join("\n"), { CI_NODE_INDEX: String(number), CI_NODE_TOTAL: String(job.parallel) }),
    };
  },
  "kubernetes-job.yaml": async () => {
    const [config, { kind, spec }] = await documents("kubernetes-job.yaml");
    const [container] = spec.template.spec.containers;
    const { value: shards } = container.env.find(({ name }: { name: string }) => name === "SHARDS");
    expect([kind, spec.completionMode, String(spec.completions)]).toEqual(["Job", "Indexed", shards]);
    expect(spec.template.spec.volumes[0].configMap.name).toBe(config.metadata.name);
    const [disrupted, failed] = spec.podFailurePolicy.rules;
    expect(disrupted).toEqual({ action: "Ignore", onPodConditions: [{ type: "DisruptionTarget" }] });
    expect(failed.onExitCodes).toEqual({ containerName: container.name, operator: "NotIn", values: AGAIN });
    expect(config.data).toHaveProperty(["refs.txt"]);
    return {
      count: spec.completions,
      // Kubernetes counts from 0.
      run: (number) => sh(container.args[0], { SHARDS: shards, JOB_COMPLETION_INDEX: String(number - 1) }),
    };
  },
  "argo-workflow.yaml": async () => {
    const [config, { kind, spec }] = await documents("argo-workflow.yaml");
    const [all, wrap] = spec.templates;
    const [[step]] = all.steps;
    const shards = spec.arguments.parameters[0].value;
    expect([kind, spec.entrypoint, step.template, step.withSequence.start]).toEqual(["Workflow", "all", "wrap", "1"]);
    expect(spec.volumes[0].configMap.name).toBe(config.metadata.name);
    // What Argo would fill in is only what is its own.
    const own = [...JSON.stringify(spec).matchAll(/\{\{([^}]+)\}\}/g)].map(([, name]) => name);
    expect(new Set(own)).toEqual(new Set(["item", "workflow.parameters.shards", "inputs.parameters.shard"]));
    const shard = step.arguments.parameters[0].value.replace("{{workflow.parameters.shards}}", shards);
    expect(wrap.retryStrategy.retryPolicy).toBe("Always");
    expect(JSON.parse(/ in (\[.*\])/.exec(wrap.retryStrategy.expression)![1]!)).toEqual(
      AGAIN.filter((code) => code !== 130),
    );
    expect(wrap.container.command).toEqual(["sh", "/fleet/wrap.sh"]);
    return {
      count: Number(shards),
      run: (number) => sh(config.data["wrap.sh"], { SHARD: shard.replace("{{item}}", String(number)) }),
    };
  },
};

describe.each(Object.keys(MACHINES))("%s", (name) => {
  it("wraps every image of the list, each on one machine", async () => {
    const { count, run } = await MACHINES[name]!();
    expect(count).toBeGreaterThan(1);
    const team = name.replace(/\W.*/, "");
    const places = Array.from({ length: IMAGES }, (_, at) => `${registry.host}/${team}/app${at}`);
    for (const place of places) await putImage(`${place}:1`, sampleImage({ layers: [place] }), session);
    await writeFile(join(folder, "refs.txt"), places.map((place) => `${place}:1\n`).join(""));
    const done = async (): Promise<number> => {
      const found = await Promise.all(
        places.map((place) =>
          readWhole(`${place}:1-init`, session).then(
            ({ layers }) => layers,
            () => 0,
          ),
        ),
      );
      return found.filter((layers) => layers === 2).length;
    };
    let before = 0;
    for (let number = 1; number <= count; number++) {
      expect(await run(number)).toBe(0);
      const now = await done();
      expect(now - before).toBeGreaterThanOrEqual(Math.floor(IMAGES / count));
      expect(now - before).toBeLessThanOrEqual(Math.ceil(IMAGES / count));
      before = now;
    }
    expect(before).toBe(IMAGES);
  });
});
