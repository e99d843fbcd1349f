import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatReference } from "../../../packages/cli/src/model/reference.ts";
import { containersStorageMedium } from "../../../packages/cli/src/store/containers-storage.ts";
import { podmanEndpoint, podmanEndpointIfAny } from "../../../packages/cli/src/store/podman-endpoint.ts";
import { PodmanEngine } from "../../../packages/cli/src/store/podman-engine.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "initwrap-podman-endpoint-"));
  mkdirSync(join(folder, "podman"));
  writeFileSync(join(folder, "podman/podman.sock"), "");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("podman's endpoint", () => {
  it("is CONTAINER_HOST, else the user's socket, else root's", () => {
    const own = { kind: "unix", path: join(folder, "podman/podman.sock") };
    expect(podmanEndpoint({ CONTAINER_HOST: "unix:///x.sock", XDG_RUNTIME_DIR: folder })).toEqual({
      kind: "unix",
      path: "/x.sock",
    });
    expect(podmanEndpoint({ XDG_RUNTIME_DIR: folder })).toEqual(own);
    expect(podmanEndpoint({})).toEqual({ kind: "unix", path: "/run/podman/podman.sock" });
    // Docker's variable is not podman's.
    expect(podmanEndpoint({ DOCKER_HOST: "unix:///docker.sock", XDG_RUNTIME_DIR: folder })).toEqual(own);
  });

  it("is none where nobody says that there is a podman", () => {
    expect(podmanEndpointIfAny({ XDG_RUNTIME_DIR: join(folder, "podman") })).toBe(
      existsSync("/run/podman/podman.sock") ? podmanEndpoint({}) : undefined,
    );
    for (const env of [{ XDG_RUNTIME_DIR: folder }, { CONTAINER_HOST: "ssh://core@host" }]) {
      expect(podmanEndpointIfAny(env)).toEqual(podmanEndpoint(env));
    }
  });

  it("may be behind ssh, with the key of CONTAINER_SSHKEY", () => {
    const env = { CONTAINER_HOST: "ssh://core@host:22/run/podman/podman.sock", CONTAINER_SSHKEY: "/key" };
    expect(podmanEndpoint(env)).toEqual({
      kind: "ssh",
      user: "core",
      host: "host",
      port: 22,
      socket: "/run/podman/podman.sock",
      program: "podman",
      identity: "/key",
    });
    expect(() => podmanEndpoint({ CONTAINER_HOST: "npipe:////./pipe/podman" })).toThrow(
      expect.objectContaining({ code: "LOCATOR_INVALID" }),
    );
  });
});

describe("a connection of podman", () => {
  it("is meant by CONTAINER_CONNECTION or in the locator, with its own key, and CONTAINER_HOST goes before the first", () => {
    const home = join(folder, "home");
    mkdirSync(join(home, ".config/containers"), { recursive: true });
    const connections = {
      far: { URI: "ssh://core@10.0.0.1:22/run/podman/podman.sock", Identity: "/key", IsMachine: false },
      near: { URI: "unix:///near.sock" },
      odd: { URI: "npipe:////./pipe/podman" },
    };
    const text = JSON.stringify({ Connection: { Default: "far", Connections: connections }, Farm: {} });
    writeFileSync(join(home, ".config/containers/podman-connections.json"), text);
    const far = {
      kind: "ssh",
      user: "core",
      host: "10.0.0.1",
      port: 22,
      socket: "/run/podman/podman.sock",
      program: "podman",
      identity: "/key",
    };
    const env = { HOME: home, CONTAINER_CONNECTION: "far", CONTAINER_SSHKEY: "/another" };
    expect(podmanEndpoint(env)).toEqual(far);
    expect(podmanEndpointIfAny(env)).toEqual(far);
    expect(podmanEndpoint(env, "near")).toEqual({ kind: "unix", path: "/near.sock" });
    expect(podmanEndpoint({ ...env, CONTAINER_HOST: "unix:///x.sock" })).toEqual({ kind: "unix", path: "/x.sock" });
    expect(podmanEndpoint({ ...env, CONTAINER_HOST: "unix:///x.sock" }, "far")).toEqual(far);
    const named = { PODMAN_CONNECTIONS_CONF: join(home, ".config/containers/podman-connections.json") };
    expect(podmanEndpoint(named, "near")).toEqual({ kind: "unix", path: "/near.sock" });
    // The default one is for podman's remote client alone.
    expect(podmanEndpoint({ HOME: home, XDG_RUNTIME_DIR: folder })).toMatchObject({ kind: "unix" });
    for (const [broken, place] of [
      [env, "nobody"],
      [env, "odd"],
      [{ HOME: "/nowhere", CONTAINER_CONNECTION: "far" }, ""],
    ] as const) {
      expect(() => podmanEndpoint(broken, place)).toThrow(expect.objectContaining({ code: "LOCATOR_INVALID" }));
    }
  });
});

describe("a name without a registry", () => {
  it("is podman's own, unless it says docker.io", () => {
    const engine = new PodmanEngine({ kind: "unix", path: "/none" });
    const full = (name: string): string | undefined => {
      const reference = engine.referenceOf(name);
      return reference && formatReference(reference);
    };
    expect(full("app")).toBe("localhost/app:latest");
    expect(full("team/app:1")).toBe("localhost/team/app:1");
    expect(full("docker.io/app:1")).toBe("docker.io/library/app:1");
    expect(full("quay.io/team/app:1")).toBe("quay.io/team/app:1");
    expect(full("127.0.0.1:5000/app:1")).toBe("127.0.0.1:5000/app:1");
    expect(full("NOT A NAME")).toBeUndefined();
  });
});

describe("a store of containers-storage", () => {
  it("is the same only when it is written the same", () => {
    const same = containersStorageMedium.isSameStore!;
    expect(same("app:1", "app:2")).toBe(true);
    expect(same("[/a+/b]app:1", "[/a+/b]app:2")).toBe(true);
    expect(same("[/a+/b]app:1", "app:2")).toBe(false);
  });

  it.each(["[relative]app:1", "[overlay@/a+/b:option=1]app:1"])("is refused as %s", async (location) => {
    const options = { env: process.env, layers: false };
    await expect(containersStorageMedium.source(location, options)).rejects.toMatchObject({ code: "LOCATOR_INVALID" });
  });
});
