/**
 * Asks a credential helper (`docker-credential-NAME get`), the programs that keep docker's and podman's passwords.
 *
 * Protocol: the server's key on stdin; on stdout `{"ServerURL", "Username", "Secret"}`; a failure exits non-zero with its
 * reason on stdout. Source: docker/docker-credential-helpers, README and client/client.go.
 */
import { spawn } from "node:child_process";
import { InitwrapError } from "../../model/errors.ts";
import { printable } from "./failures.ts";
import type { Environment } from "./proxy.ts";

/** A secret from a helper. Username `<token>` means that it is an identity token. */
export interface HelperSecret {
  readonly username: string;
  readonly secret: string;
}

/** A helper may open a window and wait for a person, but not for ever. Milliseconds. */
const PATIENCE = 60_000;
const MAX_ANSWER = 1024 * 1024;

/**
 * The secret that helper `name` holds for `server`; undefined when it holds none.
 * Throws AUTH_REQUIRED when the helper is not installed, fails, hangs, or answers nonsense, and the signal's reason.
 */
export async function askCredentialHelper(
  name: string,
  server: string,
  env: Environment,
  signal?: AbortSignal,
): Promise<HelperSecret | undefined> {
  const program = `docker-credential-${name}`;
  const failed = (why: string, cause?: unknown): InitwrapError =>
    new InitwrapError("AUTH_REQUIRED", `credential helper ${printable(program, 80)} for ${server}: ${why}`, {
      where: server,
      hint: "Install or repair the helper, or take it out of credHelpers and credsStore in the docker configuration.",
      ...(cause === undefined ? {} : { cause }),
    });
  // The name comes from a file and becomes a program's name: no way out of PATH.
  if (!/^[\w.-]+$/.test(name)) throw failed("its name is not one");
  const { status, output } = await run(program, server, env, signal).catch((error: unknown) => {
    signal?.throwIfAborted();
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw failed(missing ? "it is not installed" : error instanceof Error ? error.message : "it could not be started");
  });
  if (status !== 0) {
    if (/credentials not found/i.test(output)) return undefined;
    throw failed(`it failed: ${printable(output, 200) || `exit ${status}`}`);
  }
  let answer: { Username?: unknown; Secret?: unknown } | null;
  try {
    answer = JSON.parse(output);
  } catch {
    // The output may hold a secret, so neither it nor the parser's words about it are shown.
    throw failed("its answer is not JSON");
  }
  if (typeof answer?.Username !== "string" || typeof answer.Secret !== "string")
    throw failed("its answer has no secret");
  return answer.Username === "" && answer.Secret === ""
    ? undefined
    : { username: answer.Username, secret: answer.Secret };
}

/** Ends of helpers that are at work. */
const running = new Set<() => void>();

function endAll(): void {
  for (const end of running) end();
}

/**
 * Runs the helper in a process group of its own: what it has started ends with it, when it takes too long, when the run is
 * interrupted, and when the process ends at once.
 */
async function run(
  program: string,
  input: string,
  env: Environment,
  signal: AbortSignal | undefined,
): Promise<{ status: number; output: string }> {
  signal?.throwIfAborted();
  const child = spawn(program, ["get"], { stdio: ["pipe", "pipe", "ignore"], env: { ...env }, detached: true });
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; output: string }>();
  const end = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // The whole group has ended.
    }
    // What left the group may hold the pipe.
    child.stdout.destroy();
  };
  const giveUp = (why: unknown): void => {
    end();
    reject(why);
  };
  const interrupted = (): void => giveUp(signal?.reason);
  const timer = setTimeout(() => giveUp(new Error(`it did not answer within ${PATIENCE / 1000} s`)), PATIENCE);
  signal?.addEventListener("abort", interrupted, { once: true });
  if (running.size === 0) process.on("exit", endAll);
  running.add(end);
  const chunks: Buffer[] = [];
  let size = 0;
  child.on("error", reject);
  child.stdout.on("error", reject);
  child.stdout.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_ANSWER) giveUp(new Error("its answer is too long"));
    else chunks.push(chunk);
  });
  child.on("close", (code, killer) =>
    resolve({ status: code ?? (killer ? 1 : 0), output: Buffer.concat(chunks).toString("utf8") }),
  );
  // A helper that does not read its input is no reason to fail: its answer counts.
  child.stdin.on("error", () => {});
  child.stdin.end(`${input}\n`);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", interrupted);
    running.delete(end);
    if (running.size === 0) process.off("exit", endAll);
  }
}
