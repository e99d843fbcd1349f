/** A socket in front of an engine's: it notes what is asked, and can refuse a call or hide where the engine keeps its content. */

import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine } from "./engine.ts";

export interface EngineProxy {
  /** For DOCKER_HOST. */
  readonly host: string;
  /** `POST /images/load?quiet=1`, in order. */
  readonly asked: readonly string[];
  readonly stop: () => Promise<void>;
}

export interface EngineProxyRules {
  /** A call whose line begins so is answered with 403. */
  readonly refuse?: string;
  /** The engine says that its content is in a folder that is not there. */
  readonly hideFolder?: boolean;
  /** It listens on TCP, answers only to paths that begin so, and passes on what stands behind. */
  readonly under?: string;
  /** It has each body whole, with its length, before it passes it on, and each answer. */
  readonly buffers?: boolean;
  /** Is told each call before it is passed on, and may have it wait. */
  readonly onAsked?: (line: string) => Promise<void> | void;
}

export async function startEngineProxy(engine: Engine, rules: EngineProxyRules = {}): Promise<EngineProxy> {
  const folder = await mkdtemp(join(tmpdir(), "initwrap-engine-"));
  const socket = join(folder, "docker.sock");
  const asked: string[] = [];
  const server = createServer(async (incoming, outgoing) => {
    const line = `${incoming.method} ${incoming.url}`;
    asked.push(line);
    await rules.onAsked?.(line);
    if (rules.refuse !== undefined && line.startsWith(rules.refuse)) {
      outgoing.writeHead(403, { "Content-Type": "application/json" }).end('{"message":"not here"}');
      return;
    }
    const { under = "" } = rules;
    if (!incoming.url!.startsWith(under)) {
      outgoing.writeHead(404, { "Content-Type": "text/html" }).end("<h1>nothing is here</h1>");
      return;
    }
    const { method, headers } = incoming;
    const path = incoming.url!.slice(under.length);
    // The engine may close a connection that is kept at the moment when it is used again.
    const place = { agent: false as const, socketPath: engine.host.replace("unix://", ""), method, path };
    const answerTo = async (answer: IncomingMessage): Promise<void> => {
      if (rules.buffers) {
        const bytes = await wholeOf(answer);
        const { "transfer-encoding": _, ...others } = answer.headers;
        outgoing.writeHead(answer.statusCode!, { ...others, "content-length": bytes.length }).end(bytes);
        return;
      }
      if (!rules.hideFolder || line !== "GET /info") {
        outgoing.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(outgoing);
        return;
      }
      const info = { ...JSON.parse((await wholeOf(answer)).toString()), DockerRootDir: "/nonexistent" };
      outgoing.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(info));
    };
    const isUpload = headers["transfer-encoding"] !== undefined;
    if (rules.buffers || !isUpload) {
      const { "transfer-encoding": _, ...others } = headers;
      const body = await wholeOf(incoming).catch(() => undefined);
      if (body === undefined) return;
      const length = isUpload ? { "content-length": body.length } : {};
      const inner = request({ ...place, headers: { ...others, ...length } }, answerTo);
      inner.on("error", () => outgoing.destroy());
      inner.end(body);
    } else {
      const inner = request({ ...place, headers }, answerTo);
      // An upload that is broken off is broken off for the engine, too.
      incoming.on("error", () => inner.destroy());
      inner.on("error", () => outgoing.destroy());
      incoming.pipe(inner);
    }
  });
  await new Promise<void>((resolve) => {
    if (rules.under === undefined) server.listen(socket, resolve);
    else server.listen(0, "127.0.0.1", resolve);
  });
  return {
    host:
      rules.under === undefined
        ? `unix://${socket}`
        : `tcp://127.0.0.1:${(server.address() as AddressInfo).port}${rules.under}`,
    asked,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function wholeOf(message: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of message) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
