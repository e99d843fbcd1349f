/** A socket in front of an engine's: it notes what is asked, and can refuse a call or hide where the engine keeps its content. */

import { mkdtemp, rm } from "node:fs/promises";
import { createServer, request } from "node:http";
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
}

export async function startEngineProxy(engine: Engine, rules: EngineProxyRules = {}): Promise<EngineProxy> {
  const folder = await mkdtemp(join(tmpdir(), "initwrap-engine-"));
  const socket = join(folder, "docker.sock");
  const asked: string[] = [];
  const server = createServer((incoming, outgoing) => {
    const line = `${incoming.method} ${incoming.url}`;
    asked.push(line);
    if (rules.refuse !== undefined && line.startsWith(rules.refuse)) {
      outgoing.writeHead(403, { "Content-Type": "application/json" }).end('{"message":"not here"}');
      return;
    }
    const { method, url: path, headers } = incoming;
    const inner = request({ socketPath: engine.host.replace("unix://", ""), method, path, headers }, async (answer) => {
      if (!rules.hideFolder || line !== "GET /info") {
        outgoing.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(outgoing);
        return;
      }
      const parts: Buffer[] = [];
      for await (const part of answer) parts.push(part as Buffer);
      const info = { ...JSON.parse(Buffer.concat(parts).toString()), DockerRootDir: "/nonexistent" };
      outgoing.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(info));
    });
    incoming.pipe(inner);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    host: `unix://${socket}`,
    asked,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
