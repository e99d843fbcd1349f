/**
 * The part of a GitHub runner that our own action and workflows meet: expressions by GitHub's own library, shell steps by the bash
 * that runners start, and the files behind GITHUB_OUTPUT and GITHUB_STEP_SUMMARY. Other people's actions are functions of the
 * test.
 */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { data, Evaluator, Lexer, Parser } from "@actions/expressions";
import { type Outcome, outcomeOf } from "./outcome.ts";

type Values = Readonly<Record<string, string>>;

export interface Step {
  readonly id?: string;
  readonly if?: string;
  readonly uses?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly run?: string;
  readonly env?: Values;
  readonly "working-directory"?: string;
}

export interface Job {
  readonly if?: string;
  readonly env?: Values;
  readonly outputs?: Values;
  readonly steps: readonly Step[];
}

export interface Action {
  readonly inputs: Readonly<Record<string, { readonly default?: string }>>;
  readonly outputs: Readonly<Record<string, { readonly value: string }>>;
  readonly runs: { readonly using: string; readonly steps: readonly Step[] };
}

export interface Runner {
  /** Where shell steps run. */
  readonly workspace: string;
  /** Where the runner's own files are. */
  readonly temp?: string;
  /** Runs a shell step; on this machine unless given. */
  readonly shell?: (script: string, cwd: string, env: NodeJS.ProcessEnv) => Promise<Outcome>;
  readonly env: NodeJS.ProcessEnv;
  /** What `github.…` and `secrets.…` are. */
  readonly github?: Values;
  readonly secrets?: Values;
  /** The outputs of the jobs before. */
  readonly needs?: Readonly<Record<string, Values>>;
  /** What other people's actions do, by what stands after `uses:`; they may give outputs. */
  readonly actions: Readonly<Record<string, (inputs: Values) => Promise<unknown>>>;
}

export interface Ran {
  /** 0, or the exit code of the step that failed. */
  readonly status: number;
  readonly outputs: Values;
  /** What was written to the job's summary. */
  readonly summary: string;
  readonly stderr: string;
  readonly stdout: string;
  /** Other people's actions that were used, in order. */
  readonly used: readonly string[];
}

/** Runs a composite action; its outputs are those that action.yml names. */
export function runAction(action: Action, inputs: Values, runner: Runner): Promise<Ran> {
  const unknown = Object.keys(inputs).filter((name) => !Object.hasOwn(action.inputs, name));
  if (unknown.length > 0) throw new Error(`action.yml has no input ${unknown.join(", ")}`);
  const defaults = Object.entries(action.inputs).map(([name, input]) => [name, input.default ?? ""] as const);
  const values = { ...Object.fromEntries(defaults), ...inputs };
  const outputs = Object.entries(action.outputs).map(([name, { value }]) => [name, value] as const);
  return runSteps(action.runs.steps, Object.fromEntries(outputs), values, runner);
}

/** Runs a workflow's job, or gives undefined where its `if` says no. What is in `runner.env` goes before the job's own. */
export async function runJob(job: Job, runner: Runner): Promise<Ran | undefined> {
  const contexts = contextsOf({}, runner);
  if (job.if !== undefined && evaluate(job.if, contexts, {}) !== "true") return undefined;
  const env = { ...mapValues(job.env ?? {}, (value) => fillIn(value, contexts, {})), ...runner.env };
  return runSteps(job.steps, job.outputs ?? {}, {}, { ...runner, env });
}

/** Runs steps one after the other until one fails. `outputs` are evaluated at the end. */
export async function runSteps(steps: readonly Step[], outputs: Values, inputs: Values, runner: Runner): Promise<Ran> {
  const folder = await mkdtemp(join(runner.temp ?? tmpdir(), "initwrap-runner-"));
  const done: Record<string, Values> = {};
  const used: string[] = [];
  let [status, stdout, stderr, summary] = [0, "", "", ""];
  const contexts = contextsOf(inputs, runner);
  const fill = (text: string): string => fillIn(text, contexts, done);
  try {
    const names = ["OUTPUT", "STEP_SUMMARY"] as const;
    for (const [at, step] of steps.entries()) {
      if (step.if !== undefined && evaluate(step.if, contexts, done) !== "true") continue;
      if (step.uses !== undefined) {
        const action = runner.actions[step.uses];
        if (!action) throw new Error(`the test has no ${step.uses}`);
        used.push(step.uses);
        const given = await action(mapValues(step.with ?? {}, (value) => fill(String(value))));
        if (step.id !== undefined && given) done[step.id] = given as Values;
        continue;
      }
      const files = Object.fromEntries(names.map((name) => [`GITHUB_${name}`, join(folder, `${at}-${name}`)]));
      for (const file of Object.values(files)) await writeFile(file, "");
      const script = join(folder, `${at}.sh`);
      await writeFile(script, fill(step.run ?? ""));
      const env = { ...runner.env, ...files, RUNNER_TEMP: folder, ...mapValues(step.env ?? {}, fill) };
      const cwd = join(runner.workspace, step["working-directory"] ?? ".");
      const result = await (runner.shell ?? bash)(script, cwd, env);
      stdout += result.stdout;
      stderr += result.stderr;
      summary += await readFile(files["GITHUB_STEP_SUMMARY"]!, "utf8");
      if (step.id !== undefined) done[step.id] = parseOutputs(await readFile(files["GITHUB_OUTPUT"]!, "utf8"));
      status = result.status;
      if (status !== 0) break;
    }
    return { status, outputs: mapValues(outputs, fill), summary, stdout, stderr, used };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** As a runner starts `shell: bash`. */
function bash(script: string, cwd: string, env: NodeJS.ProcessEnv): Promise<Outcome> {
  const args = ["--noprofile", "--norc", "-eo", "pipefail", script];
  return outcomeOf(spawn("bash", args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] }));
}

/** Lines NAME=VALUE. A runner knows a form for several lines as well, and refuses every other line. */
function parseOutputs(text: string): Values {
  const lines = text.split("\n").filter((line) => line !== "");
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf("=");
      if (at < 1) throw new Error(`a runner does not take ${JSON.stringify(line)} for an output`);
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}

type Contexts = Readonly<Record<string, Values>>;

interface Known {
  readonly values: Contexts;
  /** The jobs' outputs. */
  readonly needs: Contexts;
}

function contextsOf(inputs: Values, { github = {}, secrets = {}, needs = {}, env }: Runner): Known {
  const set = Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  return { values: { inputs, github, secrets, env: Object.fromEntries(set) }, needs };
}

/** `steps` are the outputs of the steps that have run. */
function fillIn(text: string, contexts: Known, steps: Contexts): string {
  return text.replace(/\$\{\{(.*?)\}\}/g, (_, expression: string) => evaluate(expression, contexts, steps));
}

function evaluate(expression: string, contexts: Known, steps: Contexts): string {
  const outputs = (all: Contexts) =>
    Object.entries(all).map(([key, values]) => ({
      key,
      value: new data.Dictionary({ key: "outputs", value: dictionary(values) }),
    }));
  const all = new data.Dictionary(
    ...Object.entries(contexts.values).map(([key, values]) => ({ key, value: dictionary(values) })),
    { key: "steps", value: new data.Dictionary(...outputs(steps)) },
    { key: "needs", value: new data.Dictionary(...outputs(contexts.needs)) },
  );
  const { tokens } = new Lexer(expression.trim()).lex();
  const parsed = new Parser(tokens, [...Object.keys(contexts.values), "steps", "needs"], []).parse();
  return new Evaluator(parsed, all).evaluate().coerceString();
}

function dictionary(values: Values): data.Dictionary {
  return new data.Dictionary(
    ...Object.entries(values).map(([key, value]) => ({ key, value: new data.StringData(value) })),
  );
}

function mapValues<In>(values: Readonly<Record<string, In>>, change: (value: In) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));
}
