/**
 * Unary gRPC calls on node:http2.
 *
 * Source: github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md and doc/statuscodes.md.
 */
import { type ClientHttp2Session, connect, constants } from "node:http2";
import type { Duplex } from "node:stream";

/** A call that the other side refused. `status` is a google.rpc.Status, the bytes that it sent or one made of code and message. */
export class GrpcError extends Error {
  override readonly name = "GrpcError";
  readonly code: number;
  readonly status: Uint8Array;

  constructor(code: number, message: string, status: Uint8Array) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** The connection ended before an answer came. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

/** A client of one service. */
export interface GrpcClient {
  /** Sends one message and resolves with the answer's bytes. Rejects with GrpcError or ConnectionLost. */
  call(method: string, message: Uint8Array): Promise<Uint8Array>;
  close(): void;
}

/** Frames of messages up to this many bytes are buffered without the other side waiting: a whole build's definition. */
const WINDOW = 16 * 1024 * 1024;

/** Speaks with `service` over `stream`. `statusOf` makes a google.rpc.Status where the other side sent none. */
export function grpcClient(
  stream: Duplex,
  service: string,
  statusOf: (code: number, message: string) => Uint8Array,
): GrpcClient {
  const session = connect("http://buildkit", {
    createConnection: () => stream,
    settings: { enablePush: false, initialWindowSize: WINDOW },
  });
  session.once("connect", () => session.setLocalWindowSize(WINDOW));
  // Whatever waits for an answer is told by its own stream.
  session.on("error", () => {});
  return {
    call: (method, message) => call(session, `/${service}/${method}`, message, statusOf),
    close: () => session.close(),
  };
}

function call(
  session: ClientHttp2Session,
  path: string,
  message: Uint8Array,
  statusOf: (code: number, message: string) => Uint8Array,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const request = session.request({
      [constants.HTTP2_HEADER_METHOD]: "POST",
      [constants.HTTP2_HEADER_PATH]: path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const chunks: Buffer[] = [];
    let headers: Record<string, unknown> = {};
    request.on("response", (received) => {
      headers = received;
    });
    // A refusal may come as headers alone.
    request.on("trailers", (received) => {
      headers = { ...headers, ...received };
    });
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("error", (cause) => reject(new ConnectionLost(cause.message, { cause })));
    request.on("close", () => {
      const status = headers["grpc-status"];
      if (typeof status !== "string") {
        return reject(new ConnectionLost(`it ended ${path} without a status`));
      }
      const code = Number(status);
      if (code === 0) return resolve(unframed(Buffer.concat(chunks)));
      const text = decodeURIComponent(String(headers["grpc-message"] ?? ""));
      const details = headers["grpc-status-details-bin"];
      const raw = typeof details === "string" ? Buffer.from(details, "base64") : statusOf(code, text);
      reject(new GrpcError(code, text, raw));
    });
    request.end(framed(message));
  });
}

/** A flag (0: not compressed), four bytes of length, the message. */
function framed(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

function unframed(frame: Buffer): Uint8Array {
  if (frame.length < 5 || frame[0] !== 0 || frame.readUInt32BE(1) !== frame.length - 5) {
    throw new RangeError("BuildKit's answer is not one uncompressed message");
  }
  return frame.subarray(5);
}
