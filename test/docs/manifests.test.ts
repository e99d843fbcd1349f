/**
 * Every YAML example of the README and the documentation, and the files that split a list over machines, by the schemas of
 * what they are for: Kubernetes, Argo Workflows, Compose, GitHub Actions, GitLab CI, and initwrap's own settings.
 */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { parseAllDocuments, stringify } from "yaml";
import { requireEngine } from "../support/engine.ts";
import { type Manifest, manifestErrors } from "../support/kubernetes-schemas.ts";
import { ROOT } from "../support/programs.ts";
import { schemaErrors } from "../support/workflow-schemas.ts";

const exec = promisify(execFile);

interface Example {
  /** FILE:LINE. */
  readonly place: string;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what the examples hold is what the tests look at
  readonly values: readonly any[];
}

async function examples(): Promise<readonly Example[]> {
  const names = (folder: string, end: string) =>
    readdir(join(ROOT, folder), { recursive: true }).then((all) =>
      all.filter((name) => name.endsWith(end) && !name.startsWith(".")).map((name) => `${folder}/${name}`),
    );
  const found: Example[] = [];
  const add = (place: string, text: string): void => {
    const parsed = [...parseAllDocuments(text)];
    expect([place, ...parsed.flatMap(({ errors, warnings }) => [...errors, ...warnings])]).toEqual([place]);
    found.push({ place, text, values: parsed.map((one) => one.toJS()) });
  };
  for (const page of ["README.md", ...(await names("docs", ".md"))].sort()) {
    const text = await readFile(join(ROOT, page), "utf8");
    for (const block of text.matchAll(/^```ya?ml.*\n([\s\S]*?)^```$/gm)) {
      add(`${page}:${text.slice(0, block.index).split("\n").length}`, block[1] ?? "");
    }
  }
  for (const file of (await readdir(join(ROOT, "templates/fleet"))).sort()) {
    const path = `templates/fleet/${file}`;
    add(path, await readFile(join(ROOT, path), "utf8"));
  }
  return found;
}

const all = await examples();
const KINDS = {
  kubernetes: ([one]: Example["values"]) => one.apiVersion !== undefined,
  container: ([one]: Example["values"]) => Object.keys(one).every((key) => ["command", "args"].includes(key)),
  compose: ([one]: Example["values"]) => one.services !== undefined,
  workflow: ([one]: Example["values"]) => one.jobs !== undefined,
  steps: ([one]: Example["values"]) => Array.isArray(one) && one.every(({ run, uses }) => run ?? uses),
  gitlab: ([one]: Example["values"]) => Object.values<{ script?: unknown }>(one).some((job) => job?.script),
  settings: ([one]: Example["values"]) => "reporter" in one,
} as const;
const of = (kind: keyof typeof KINDS): readonly Example[] => {
  const some = all.filter(({ values }) => KINDS[kind](values));
  expect(some, kind).not.toEqual([]);
  return some;
};

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "initwrap-manifests-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe("YAML in the documentation", () => {
  it("is each of one kind, and looked at as that", () => {
    const kinds = all.map(({ place, values }) => [place, Object.values(KINDS).filter((isOne) => isOne(values)).length]);
    expect(kinds).toEqual(all.map(({ place }) => [place, 1]));
  });

  it("that is for Kubernetes or Argo has the fields of their APIs, and no others", { timeout: 60_000 }, async () => {
    const manifests = of("kubernetes").flatMap(({ values }) => values as Manifest[]);
    expect(new Set(manifests.map(({ kind }) => kind))).toEqual(new Set(["ConfigMap", "Deployment", "Job", "Workflow"]));
    const deployment = manifests.find(({ kind }) => kind === "Deployment") as Manifest;
    /** The Deployment with other fields in its container. */
    const withFields = (fields: object): Manifest => {
      const changed = structuredClone(deployment);
      Object.assign(changed["spec"].template.spec.containers[0], fields);
      return changed;
    };
    const containers = of("container").map(({ values: [fields] }) => withFields(fields));
    const workflow = structuredClone(manifests.find(({ kind }) => kind === "Workflow") as Manifest);
    workflow["spec"].templates[1].retryStrategy.limits = "2";
    const [errors, mistakes] = await Promise.all([
      manifestErrors([...manifests, ...containers]),
      // The first is what the recipe says is not to be had: `docker run --init` for a container of a pod.
      manifestErrors([withFields({ init: true }), withFields({ args: "--port" }), workflow]),
    ]);
    expect(errors).toEqual([]);
    expect(mistakes.join("\n")).toContain("'\"init\"' does not exist in type 'IContainer'");
    expect(mistakes.join("\n")).toContain("args must be array");
    expect(mistakes.join("\n")).toContain("'\"limits\"' does not exist in type 'IRetryStrategy'");
  });

  it("that is for Compose is what docker compose takes", { timeout: 60_000 }, async (context) => {
    const engine = requireEngine(context, "newest");
    const config = (text: string) =>
      inFolder(async (folder) => {
        await writeFile(join(folder, "compose.yaml"), text);
        return engine.docker(["compose", "config", "--quiet"], { cwd: folder, check: false });
      });
    const found = await Promise.all(of("compose").map(async ({ place, text }) => [place, await config(text)]));
    expect(found).toMatchObject(of("compose").map(({ place }) => [place, { status: 0 }]));
    expect((await config("services: { web: { image: shop, innit: true } }")).stderr).toContain("innit");
  });

  it("that is for GitHub Actions is what its schemas take", async () => {
    const job = (steps: unknown) => stringify({ on: "push", jobs: { one: { "runs-on": "ubuntu-latest", steps } } });
    const texts = [
      ...of("workflow").map(({ place, text }) => [place, text] as const),
      ...of("steps").map(({ place, values: [steps] }) => [place, job(steps)] as const),
    ];
    for (const [place, text] of texts) expect([place, ...(await schemaErrors("workflow", text))]).toEqual([place]);
    expect(await schemaErrors("workflow", job([{ runs: "true" }]))).not.toEqual([]);
  });

  it("that is for GitLab is a pipeline with the jobs that it says", { timeout: 60_000 }, async () => {
    const program = createRequire(import.meta.url).resolve("gitlab-ci-local");
    const jobsOf = ({ text, values }: Example) =>
      inFolder(async (folder) => {
        for (const local of (values[0].include ?? []).map((one: { local: string }) => one.local)) {
          await mkdir(dirname(join(folder, local)), { recursive: true });
          await writeFile(join(folder, local), await readFile(join(ROOT, local), "utf8"));
        }
        await writeFile(join(folder, ".gitlab-ci.yml"), text);
        const git = (...words: string[]) => exec("git", words, { cwd: folder });
        await git("init", "--quiet", "--initial-branch=main");
        await git("remote", "add", "origin", "https://gitlab.example/acme/app.git");
        await git("add", ".");
        const { stdout } = await exec(process.execPath, [program, "--list-json"], { cwd: folder });
        return JSON.parse(stdout.slice(stdout.indexOf("["))).map(({ name }: { name: string }) => name) as string[];
      });
    const found = await Promise.all(of("gitlab").map(async (one) => [one.place, await jobsOf(one)] as const));
    for (const [at, { place, values }] of of("gitlab").entries()) {
      for (const name of Object.keys(values[0]).filter((key) => key !== "include")) {
        // Of a job that runs several times, each has a number.
        expect([place, ...(found[at]?.[1] ?? [])].join("\n")).toMatch(new RegExp(`^${name}(: \\[1/\\d+\\])?$`, "m"));
      }
    }
  });

  it("that is for initwrap follows the schema of its settings", async () => {
    const schema = JSON.parse(await readFile(join(ROOT, "schemas/initwrap.schema.json"), "utf8"));
    const validate = new Ajv2020({ strict: false }).compile(schema);
    for (const { place, values } of of("settings")) {
      validate(values[0]);
      expect([place, validate.errors]).toEqual([place, null]);
    }
  });
});
