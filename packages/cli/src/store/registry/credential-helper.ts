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
 * Throws AUTH_REQUIRED when the helper is not installed, fails, hangs, or answers nonsense.
 */
export async function askCredentialHelper(
  name: string,
  server: string,
  env: Environment,
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
  const { status, output } = await run(program, server, env).catch((error: unknown) => {
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

async function run(program: string, input: string, env: Environment): Promise<{ status: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ["get"], { stdio: ["pipe", "pipe", "ignore"], env: { ...env } });
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`it did not answer within ${PATIENCE / 1000} s`));
    }, PATIENCE);
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      act();
    };
    child.on("error", (error) => settle(() => reject(error)));
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_ANSWER) {
        child.kill("SIGKILL");
        settle(() => reject(new Error("its answer is too long")));
      } else chunks.push(chunk);
    });
    child.on("close", (code, signal) =>
      settle(() => resolve({ status: code ?? (signal ? 1 : 0), output: Buffer.concat(chunks).toString("utf8") })),
    );
    // A helper that does not read its input is no reason to fail: its answer counts.
    child.stdin.on("error", () => {});
    child.stdin.end(`${input}\n`);
  });
}
