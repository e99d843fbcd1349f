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
