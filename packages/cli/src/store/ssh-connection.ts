/**
 * A connection to an engine on another machine, as the docker CLI makes it: `ssh HOST docker system dial-stdio`, whose
 * standard input and output are the two directions. ssh brings the user's own configuration, keys, agent and known hosts.
 *
 * Sources: docker CLI reference, "docker system dial-stdio" and "Use SSH to protect the Docker daemon socket"; ssh(1).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { Agent } from "node:http";
import { Duplex } from "node:stream";
import type { SshEndpoint } from "./ssh-endpoint.ts";

/** Keeps a connection for the next request: each one is a login. An idle one does not keep the process alive. */
export function sshAgent(endpoint: SshEndpoint, env: Readonly<Record<string, string | undefined>>): Agent {
  const agent = new Agent({ keepAlive: true });
  agent.createConnection = () => new SshConnection(endpoint, env);
  return agent;
}

function commandLine({ user, host, port, identity, program, socket }: SshEndpoint): readonly string[] {
  const remote = socket === undefined ? [] : [program === "docker" ? "--host" : "--url", `unix://${socket}`];
  return [
    ...["-o", "ConnectTimeout=30", "-T"],
    ...(user === undefined ? [] : ["-l", user]),
    ...(port === undefined ? [] : ["-p", String(port)]),
    ...(identity === undefined ? [] : ["-i", identity]),
    ...["--", host, program, ...remote, "system", "dial-stdio"],
  ];
}

/** The two directions as one stream, with the methods that Node's HTTP client calls on a socket. */
class SshConnection extends Duplex {
  readonly #child: ChildProcess;
  #said = "";
  #limit = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(endpoint: SshEndpoint, env: Readonly<Record<string, string | undefined>>) {
    super();
    const child = spawn("ssh", commandLine(endpoint), { stdio: ["pipe", "pipe", "pipe"], env });
    this.#child = child;
    child.stdout.on("data", (chunk: Buffer) => {
      this.#touch();
      if (!this.push(chunk)) child.stdout.pause();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      this.#said = (this.#said + chunk.toString()).slice(-2000);
    });
    // A broken pipe is told by the exit code, with its reason.
    child.stdin.on("error", () => {});
    child.on("error", (cause) => this.destroy(failure(`ssh cannot be started: ${cause.message}`)));
    child.on("close", (code) => {
      if (code === 0) this.push(null);
      else this.destroy(failure(lastLine(this.#said) ?? `ssh ended with ${code}`));
    });
  }

  override _read(): void {
    this.#child.stdout!.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.#touch();
    this.#child.stdin!.write(chunk, (error) => {
      this.#touch();
      // The reason comes with the exit code; until then the write is under way.
      if (!error) done();
    });
  }

  override _final(done: () => void): void {
    this.#child.stdin!.end(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#timer);
    this.#child.kill();
    done(error);
  }

  /** Emits `timeout` after so many milliseconds without a byte; 0 for never. */
  setTimeout(milliseconds: number, callback?: () => void): this {
    this.#limit = milliseconds;
    if (callback) this.once("timeout", callback);
    this.#touch();
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  ref(): this {
    return this.#each("ref");
  }

  unref(): this {
    return this.#each("unref");
  }

  #each(method: "ref" | "unref"): this {
    const { stdin, stdout, stderr } = this.#child;
    this.#child[method]();
    for (const stream of [stdin, stdout, stderr]) (stream as unknown as Record<typeof method, () => void>)[method]();
    return this;
  }

  #touch(): void {
    clearTimeout(this.#timer);
    if (this.#limit > 0) this.#timer = setTimeout(() => this.emit("timeout"), this.#limit).unref();
  }
}

function failure(message: string): Error {
  return Object.assign(new Error(message), { code: "ESSH" });
}

function lastLine(text: string): string | undefined {
  return text.trim().split(/\r?\n/).at(-1) || undefined;
}
