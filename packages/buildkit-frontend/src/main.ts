/**
 * The process that BuildKit starts in a container for each build. Standard output is the connection; what is written to
 * standard error ends up in the daemon's log. A build that is refused is told to BuildKit, and is no failure of this process.
 */
import { InitwrapError } from "../../cli/src/model/errors.ts";
import { build } from "./build.ts";
import { Gateway, SERVICE, statusOf } from "./gateway.ts";
import { GrpcError, grpcClient } from "./grpc.ts";
import { ConnectionLost, Http2Client } from "./http2.ts";
import { standardStreams } from "./pipes.ts";
import { readRequest } from "./request.ts";

/** google.rpc.Code: the one that BuildKit prints no word for. */
const UNKNOWN = 2;

/** Resolves with the exit code. */
async function main(): Promise<number> {
  // The launcher names itself by this argument: it has opened the connection.
  const http = new Http2Client(standardStreams(), process.argv.includes("--opened"));
  const gateway = new Gateway(grpcClient(http, SERVICE, statusOf));
  try {
    try {
      await build(gateway, readRequest(process.env));
    } catch (error) {
      if (error instanceof ConnectionLost) throw error;
      await gateway.fail(await statusFor(error));
    }
    return 0;
  } catch (error) {
    process.stderr.write(`initwrap: the connection to BuildKit broke: ${(error as Error).message}\n`);
    return 1;
  }
}

async function statusFor(error: unknown): Promise<Uint8Array> {
  if (error instanceof GrpcError) return error.status;
  if (error instanceof InitwrapError) {
    const { helpOf } = await import("../../cli/src/terminal/messages.ts");
    const { code, message, hint, where } = error;
    const place = where === undefined ? "" : `${where}: `;
    const advice = hint === undefined ? "" : `; ${hint}`;
    return statusOf(UNKNOWN, `initwrap: ${place}${message} [${code}]${advice} (${helpOf(code)})`);
  }
  process.stderr.write(`${(error as Error).stack}\n`);
  return statusOf(UNKNOWN, `initwrap: ${(error as Error).message}`);
}

// The other side keeps the connection open.
main().then((code) => process.exit(code));
