/**
 * `containers-storage:[[DRIVER@]ROOT[+RUNROOT]]NAME`: the storage on this machine that podman, buildah and CRI-O share, where
 * no service runs. podman itself opens it: a service is started on a socket of ours for the time of the run, so that
 * everything is as cheap as with `podman:`. Its own save and load would move every layer.
 *
 * A service whose parent was killed ends by itself after ten idle minutes.
 *
 * Source: containers-transports(5), "containers-storage".
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InitwrapError } from "../model/errors.ts";
import type { Medium, StoreContext } from "./contract.ts";
import { splitEngineLocation } from "./engine-location.ts";
import { podmanNames, podmanSink, podmanSource } from "./podman.ts";
import { ownPlatform, PodmanEngine } from "./podman-engine.ts";

export const containersStorageMedium: Medium = {
  scheme: "containers-storage",
  source: async (location, options) => {
    const { engine: store, name } = splitEngineLocation(location);
    return podmanSource(await engineFor(store, options), name, options);
  },
  sink: async (location, options) => {
    const { engine: store, name } = splitEngineLocation(location);
    return podmanSink(await engineFor(store, options), name, options);
  },
  isSameStore: (from, to) => splitEngineLocation(from).engine === splitEngineLocation(to).engine,
  namesFor: async (location, asked, kept) => podmanNames(splitEngineLocation(location).name, asked, kept),
  onlyPlatform: async () => ownPlatform(),
};

interface Service {
  readonly socket: string;
  stop(): Promise<void>;
}

/** Running services by store, and how many use each: the source and the sink of a run are the same one. */
const running = new Map<string, { readonly service: Promise<Service>; users: number }>();

async function engineFor(store: string, context: StoreContext): Promise<PodmanEngine> {
  const entry = running.get(store) ?? { service: start(store, context), users: 0 };
  running.set(store, entry);
  entry.users++;
  const release = async (): Promise<void> => {
    if (--entry.users > 0) return;
    running.delete(store);
    await (await entry.service).stop();
  };
  try {
    const { socket } = await entry.service;
    // The socket is gone when the run has ended: it would tell nobody anything.
    const place = store === "" ? "containers-storage" : `containers-storage:[${store}]`;
    return new PodmanEngine({ kind: "unix", path: socket }, context, release, place);
  } catch (cause) {
    running.delete(store);
    throw cause;
  }
}

async function start(store: string, context: StoreContext): Promise<Service> {
  const storage = options(store);
  const folder = await mkdtemp(join(tmpdir(), "initwrap-podman-"));
  const socket = join(folder, "podman.sock");
  const args = [...storage, "system", "service", "--time", "600", `unix://${socket}`];
  // A group of its own: Ctrl-C at a terminal is ours to handle, and the sink's cleaning up still needs the service.
  // Without what makes podman a client of another service.
  const { CONTAINER_HOST: _host, CONTAINER_CONNECTION: _connection, ...env } = context.env;
  const child = spawn("podman", args, { stdio: ["ignore", "ignore", "pipe"], env, detached: true });
  let said = "";
  let failure: string | undefined;
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000);
  });
  child.on("error", (cause) => {
    failure = cause.message;
  });
  child.on("exit", (code) => {
    failure ??= said.trim().split("\n").at(-1) || `podman ended with ${code}`;
  });
  const stop = async (): Promise<void> => {
    await ended(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const engine = new PodmanEngine({ kind: "unix", path: socket }, context);
    for (const deadline = performance.now() + 30_000; performance.now() < deadline; ) {
      context.signal?.throwIfAborted();
      if (failure !== undefined) break;
      if (await engine.answers()) return { socket, stop };
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } catch (cause) {
    await stop();
    throw cause;
  }
  await stop();
  throw new InitwrapError("DAEMON_UNREACHABLE", `podman does not open its storage: ${failure ?? "no answer"}`, {
    hint: "Reading containers-storage: needs the podman program; `podman images` should work.",
  });
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill("SIGTERM");
  });
}

function options(store: string): readonly string[] {
  if (store === "") return [];
  const match = /^(?:(\w+)@)?(\/[^+:]*)?(?:\+(\/[^:]*))?$/.exec(store);
  const [, driver, root, run] = match ?? [];
  if (!match || (!driver && !root)) {
    throw new InitwrapError("LOCATOR_INVALID", `containers-storage: [${store}] is no store`, {
      hint: "Write it as [DRIVER@ROOT+RUNROOT]; options of a storage driver belong into storage.conf.",
    });
  }
  return [
    ...(root ? ["--root", root] : []),
    ...(run ? ["--runroot", run] : []),
    ...(driver ? ["--storage-driver", driver] : []),
  ];
}
