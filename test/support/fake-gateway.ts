/**
 * BuildKit's end of a frontend, for tests without an engine: an HTTP/2 server on the pipes of the frontend's process, which
 * answers the calls of the gateway with what a test gives it and keeps what was asked.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { performServerHandshake, type ServerHttp2Stream } from "node:http2";
import { join } from "node:path";
import { Duplex } from "node:stream";
import {
  bytesField,
  bytesOf,
  decode,
  encode,
  type Message,
  messageField,
  numberOf,
  textField,
} from "../../packages/buildkit-frontend/src/protobuf.ts";
import { ROOT } from "./programs.ts";

/** One call, its message read. */
export interface GatewayCall {
  readonly method: string;
  readonly message: Message;
}

/** A refusal: gRPC's status code, its message, and google.rpc.Status as bytes. */
export interface Refusal {
  readonly code: number;
  readonly text: string;
  readonly details?: Uint8Array;
}

export interface FrontendRun {
  readonly calls: readonly GatewayCall[];
  /** The message of Return, absent when the process ended without it. */
  readonly returned: Message | undefined;
  readonly exitCode: number | null;
  readonly stderr: string;
}

export interface GatewayScript {
  /** Options as BuildKit gives them: `build-arg:NAME`, `cmdline`, ... */
  readonly options?: Readonly<Record<string, string>>;
  readonly capabilities?: { readonly frontend?: readonly string[]; readonly llb?: readonly string[] };
  /** Answers a Solve: the message of moby.buildkit.v1.frontend.Result, or why not. */
  readonly solve: (request: Message, index: number) => Message | Refusal;
  /** Started by the launcher, which has said the first bytes of HTTP/2. */
  readonly launcher?: boolean;
  /** What ReadFile gives; without it there is no such file. */
  readonly file?: Uint8Array;
  /** Its pipes do not wait: a read or write that cannot be done at once fails. */
  readonly nonblocking?: boolean;
  /** Methods that this gateway does not have. */
  readonly unknown?: readonly string[];
  /** Ends the connection instead of answering this method. */
  readonly hangUpAt?: string;
}

const ALL = { frontend: ["frontend.inputs", "gateway.warnings"], llb: ["mergeop"] };

/** Runs the frontend from its sources against a script. */
export async function runFrontend(script: GatewayScript): Promise<FrontendRun> {
  const options = Object.entries(script.options ?? {}).map(([key, value], index) => [
    `BUILDKIT_FRONTEND_OPT_${index}`,
    `${key}=${value}`,
  ]);
  const main = join(ROOT, "packages/buildkit-frontend/src/main.ts");
  const command = [process.execPath, main, ...(script.launcher ? ["--opened"] : [])];
  const [program = "", ...args] = script.nonblocking ? ["python3", "-c", NONBLOCKING, ...command] : command;
  const child = spawn(program, args, {
    env: { PATH: process.env["PATH"], ...Object.fromEntries(options) },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const calls: GatewayCall[] = [];
  let solves = 0;
  const session = performServerHandshake(pipesOf(child, script.launcher === true));
  session.on("error", () => {});
  session.on("stream", (stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on("error", () => {});
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      const method = String(headers[":path"]).split("/").at(-1) as string;
      if (method === script.hangUpAt) {
        child.stdout?.destroy();
        child.stdin?.destroy();
        return;
      }
      const message = decode(Buffer.concat(chunks).subarray(5));
      calls.push({ method, message });
      if (script.unknown?.includes(method)) return refuse(stream, { code: 12, text: "unknown method" });
      if (method === "Ping") {
        const { frontend = ALL.frontend, llb = ALL.llb } = script.capabilities ?? {};
        return answer(stream, [...frontend.map((id) => capability(1, id)), ...llb.map((id) => capability(2, id))]);
      }
      if (method === "ReadFile") {
        if (script.file === undefined) return refuse(stream, { code: 2, text: "no such file or directory" });
        const length = Number(numberOf(decode(bytesOf(message, 3) ?? new Uint8Array()), 2));
        return answer(stream, [bytesField(1, script.file.subarray(0, length))]);
      }
      if (method !== "Solve") return answer(stream, []);
      const solved = script.solve(message, solves++);
      if ("code" in solved) return refuse(stream, solved);
      answer(stream, [messageField(3, solved)]);
    });
  });
  const exitCode = await new Promise<number | null>((resolve) => child.on("close", resolve));
  session.destroy();
  return { calls, returned: calls.find(({ method }) => method === "Return")?.message, exitCode, stderr };
}

/** Python that makes its input and output such, and becomes the program behind it. Node would make them wait again. */
const NONBLOCKING =
  "import os, sys; [os.set_blocking(fd, False) for fd in (0, 1)]; os.execv(sys.argv[1], sys.argv[1:])";

/** The process's output and input as one stream; with a launcher's first bytes in front of what it writes. */
function pipesOf(child: ChildProcess, isOpened: boolean): Duplex {
  const { stdin, stdout } = child;
  if (!stdin || !stdout) throw new Error("the frontend has no pipes");
  const duplex = new Duplex({
    read: () => {
      stdout.resume();
    },
    write: (chunk: Buffer, _encoding, done) => {
      stdin.write(chunk, () => done());
    },
  });
  if (isOpened) duplex.push(OPENING);
  stdin.on("error", () => {});
  stdout.on("data", (chunk: Buffer) => duplex.push(chunk));
  stdout.on("end", () => duplex.push(null));
  return duplex;
}

/** What the launcher writes: the client's preface and an empty SETTINGS frame. */
export const OPENING = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0", "latin1");

function capability(number: number, id: string) {
  return messageField(number, [textField(1, id), { number: 2, kind: "varint", value: 1n }]);
}

function answer(stream: ServerHttp2Stream, message: Message): void {
  const bytes = encode(message);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(bytes.length, 1);
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "grpc-message": "" }));
  stream.end(Buffer.concat([frame, bytes]));
}

/** Headers alone, as grpc-go refuses. */
function refuse(stream: ServerHttp2Stream, { code, text, details }: Refusal): void {
  stream.respond(
    {
      ":status": 200,
      "content-type": "application/grpc",
      "grpc-status": String(code),
      "grpc-message": encodeURIComponent(text),
      ...(details === undefined
        ? {}
        : { "grpc-status-details-bin": Buffer.from(details).toString("base64").replace(/=+$/, "") }),
    },
    { endStream: true },
  );
}

/** The result in a Return. */
export function resultIn(returned: Message | undefined): Message {
  const bytes = bytesOf(returned ?? [], 1);
  if (bytes === undefined) throw new Error("nothing was returned");
  return decode(bytes);
}
