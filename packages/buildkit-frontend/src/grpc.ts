/**
 * Unary gRPC calls.
 *
 * Source: github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md and doc/statuscodes.md.
 */
import { ConnectionLost, type Http2Client } from "./http2.ts";

/** The code of a call that the other side does not know. */
export const UNIMPLEMENTED = 12;

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

/** A client of one service. */
export interface GrpcClient {
  /** Sends one message and resolves with the answer's bytes. Rejects with GrpcError or ConnectionLost. */
  call(method: string, message: Uint8Array): Promise<Uint8Array>;
}

/** Speaks with `service` over `http`. `statusOf` makes a google.rpc.Status where the other side sent none. */
export function grpcClient(
  http: Http2Client,
  service: string,
  statusOf: (code: number, message: string) => Uint8Array,
): GrpcClient {
  return {
    call: async (method, message) => {
      const path = `/${service}/${method}`;
      const { headers, body } = await http.request(
        [
          [":method", "POST"],
          [":scheme", "http"],
          [":path", path],
          [":authority", "buildkit"],
          ["content-type", "application/grpc"],
          ["te", "trailers"],
        ],
        framed(message),
      );
      const status = headers.get("grpc-status");
      if (status === undefined) throw new ConnectionLost(`it ended ${path} without a status`);
      const code = Number(status);
      if (code === 0) return unframed(body);
      const text = decodeURIComponent(headers.get("grpc-message") ?? "");
      const details = headers.get("grpc-status-details-bin");
      throw new GrpcError(code, text, details === undefined ? statusOf(code, text) : Buffer.from(details, "base64"));
    },
  };
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
