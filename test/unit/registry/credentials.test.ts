import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Credentials, credentialChain } from "../../../packages/cli/src/store/registry/credentials.ts";

let root: string;
let home: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "initwrap-credentials-"));
});
afterAll(() => rm(root, { recursive: true }));
beforeEach(async () => {
  home = await mkdtemp(join(root, "home-"));
});

async function file(path: string, content: unknown): Promise<string> {
  const full = join(home, path);
  await mkdir(join(full, ".."), { recursive: true });
  await writeFile(full, typeof content === "string" ? content : JSON.stringify(content));
  return full;
}

function find(
  registry: string,
  repository = "a/b",
  env: Record<string, string> = {},
): Promise<Credentials | undefined> {
  return credentialChain({ HOME: home, XDG_RUNTIME_DIR: join(home, "run"), ...env }).find(registry, repository);
}

const auth = (user: string, password = "p"): { auth: string } => ({
  auth: Buffer.from(`${user}:${password}`).toString("base64"),
});
const login = (username: string, password = "p"): Credentials => ({ kind: "password", username, password });

describe("credentials", () => {
  it("are none without files", async () => {
    expect(await find("r.example")).toBeUndefined();
  });

  it("come from the files in podman's order, docker's last", async () => {
    const one = (user: string) => ({ auths: { "r.example": auth(user) } });
    await file(".dockercfg", { "https://r.example/v1/": auth("oldest") });
    expect(await find("r.example")).toEqual(login("oldest"));
    await file(".docker/config.json", one("docker"));
    expect(await find("r.example")).toEqual(login("docker"));
    const own = join(await file("own/config.json", one("own")), "..");
    expect(await find("r.example", "a", { DOCKER_CONFIG: own })).toEqual(login("own"));
    expect(await find("r.example", "a", { DOCKER_AUTH_CONFIG: JSON.stringify(one("inline")) })).toEqual(
      login("inline"),
    );
    await file(".config/containers/auth.json", one("config"));
    expect(await find("r.example")).toEqual(login("config"));
    await file("run/containers/auth.json", one("runtime"));
    expect(await find("r.example")).toEqual(login("runtime"));
    const explicit = await file("explicit.json", one("explicit"));
    expect(await find("r.example", "a", { REGISTRY_AUTH_FILE: explicit })).toEqual(login("explicit"));
    expect(await find("other.example", "a", { REGISTRY_AUTH_FILE: explicit })).toBeUndefined();
  });

  it("that are no JSON are refused, with what to repair", async () => {
    await expect(find("r.example", "a", { DOCKER_AUTH_CONFIG: "secret" })).rejects.toMatchObject({
      code: "AUTH_REQUIRED",
      message: expect.stringMatching(/^DOCKER_AUTH_CONFIG is not a docker configuration in JSON/),
      hint: expect.stringMatching(/^Correct the variable or unset it/),
    });
    const broken = await file("broken.json", {});
    await writeFile(broken, "secret");
    await expect(find("r.example", "a", { REGISTRY_AUTH_FILE: broken })).rejects.toMatchObject({
      hint: expect.stringMatching(/^Repair or remove the file/),
    });
  });

  it("match hosts exactly, with their port", async () => {
    await file(".docker/config.json", { auths: { "r.example": auth("u"), "r.example:5000": auth("port") } });
    expect(await find("r.example")).toEqual(login("u"));
    expect(await find("r.example:5000")).toEqual(login("port"));
    for (const other of ["xr.example", "r.example.org", "example", "r.example:443", "r.exampl"]) {
      expect(await find(other), other).toBeUndefined();
    }
  });

  it("of Docker Hub are under its old key, and under podman's", async () => {
    for (const key of ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io"]) {
      await file(".docker/config.json", { auths: { [key]: auth("hub") } });
      expect(await find("docker.io", "library/app"), key).toEqual(login("hub"));
    }
    expect(await find("other.example")).toBeUndefined();
  });

  it("of a path are for what is below it, the nearest first", async () => {
    await file("run/containers/auth.json", {
      auths: { "r.example": auth("host"), "r.example/team": auth("team"), "r.example/team/app": auth("app") },
    });
    expect(await find("r.example", "team/app")).toEqual(login("app"));
    expect(await find("r.example", "team/other")).toEqual(login("team"));
    expect(await find("r.example", "teams/app")).toEqual(login("host"));
  });

  it("may be identity tokens, registry tokens, plain fields, and passwords with colons and NULs", async () => {
    await file(".docker/config.json", {
      auths: {
        "https://identity.example/v1/": { identitytoken: "i", ...auth("ignored") },
        "registry.example": { registrytoken: "t" },
        "plain.example": { username: "u", password: "w" },
        "colon.example": auth("u", "a:b\0\0"),
        "empty.example": {},
      },
    });
    expect(await find("identity.example")).toEqual({ kind: "identity", token: "i" });
    expect(await find("registry.example")).toEqual({ kind: "registry", token: "t" });
    expect(await find("plain.example")).toEqual(login("u", "w"));
    expect(await find("colon.example")).toEqual(login("u", "a:b"));
    expect(await find("empty.example")).toBeUndefined();
  });

  it("in a broken file are an error that quotes nothing of it", async () => {
    await file(".docker/config.json", '{"auths": {"r.example": {"auth": "c2VjcmV0OnNlY3JldA=="');
    const error = await find("r.example").catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: "AUTH_REQUIRED", exit: 4, where: join(home, ".docker/config.json") });
    expect(JSON.stringify(error) + String((error as Error).stack)).not.toContain("c2VjcmV0");
    await file(".docker/config.json", { auths: { "r.example": { auth: Buffer.from("nocolon").toString("base64") } } });
    await expect(find("r.example")).rejects.toMatchObject({ code: "AUTH_REQUIRED" });
    await expect(find("r.example", "a", { REGISTRY_AUTH_FILE: "/nonexistent" })).rejects.toMatchObject({
      code: "AUTH_REQUIRED",
    });
  });
});

describe("a credential helper", () => {
  async function helper(name: string, script: string): Promise<{ PATH: string }> {
    const path = await file(`bin/docker-credential-${name}`, `#!/bin/sh\n${script}\n`);
    await chmod(path, 0o755);
    return { PATH: `${join(home, "bin")}:${process.env["PATH"]}` };
  }

  it("is asked for the host it is named for, before the store; the store for all others; then the file", async () => {
    await file(".docker/config.json", {
      credHelpers: { "own.example": "own" },
      credsStore: "store",
      auths: { "file.example": auth("file"), "own.example": auth("file") },
    });
    await helper("own", 'read s; echo "{\\"Username\\":\\"own $s\\",\\"Secret\\":\\"p\\"}"');
    const env = await helper(
      "store",
      'read s; case $s in file.example) echo "credentials not found in native keychain"; exit 1;; *docker*) echo "{\\"Username\\":\\"<token>\\",\\"Secret\\":\\"$s\\"}";; *) echo "{\\"Username\\":\\"store\\",\\"Secret\\":\\"p\\"}";; esac',
    );
    expect(await find("own.example", "a", env)).toEqual(login("own own.example"));
    expect(await find("other.example", "a", env)).toEqual(login("store"));
    expect(await find("file.example", "a", env)).toEqual(login("file"));
    expect(await find("docker.io", "a", env)).toEqual({ kind: "identity", token: "https://index.docker.io/v1/" });
  });

  it("of Docker Hub may be named for any of its names, and an empty one means that the file counts", async () => {
    const env = await helper("hub", 'read s; echo "{\\"Username\\":\\"$s\\",\\"Secret\\":\\"p\\"}"');
    for (const key of ["https://index.docker.io/v1/", "docker.io", "index.docker.io"]) {
      await file(".docker/config.json", { credHelpers: { [key]: "hub" } });
      expect(await find("docker.io", "library/app", env)).toEqual(login(key));
    }
    await file(".docker/config.json", {
      credHelpers: { "r.example": "" },
      credsStore: "hub",
      auths: { "r.example": auth("file") },
    });
    expect(await find("r.example", "a", env)).toEqual(login("file"));
    expect(await find("other.example", "a", env)).toEqual(login("other.example"));
  });

  it.each([
    ["fails", "echo no bus >&2; echo cannot open keychain; exit 1", /cannot open keychain/],
    ["answers nonsense", "echo secret-nonsense", /not JSON/],
    ["answers without a secret", 'echo "{\\"Username\\":\\"secret-x\\"}"', /no secret/],
    ["answers without end", "yes secret", /too long/],
  ])("that %s is an error that shows no secret", async (_, script, message) => {
    await file(".docker/config.json", { credsStore: "bad" });
    const error = await find("r.example", "a", await helper("bad", script)).catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: "AUTH_REQUIRED", message: expect.stringMatching(message) });
    expect(String((error as Error).stack)).not.toContain("secret-");
  });

  it("that is not installed, or is no name, is an error", async () => {
    await file(".docker/config.json", { credsStore: "absent-helper" });
    await expect(find("r.example")).rejects.toThrow(/not installed/);
    await file(".docker/config.json", { credsStore: "../../bin/sh" });
    await expect(find("r.example")).rejects.toThrow(/its name is not one/);
  });
});
