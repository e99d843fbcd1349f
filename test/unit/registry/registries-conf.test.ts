import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InitwrapError } from "../../../packages/cli/src/model/errors.ts";
import { parseReference } from "../../../packages/cli/src/model/reference.ts";
import { hostSettings } from "../../../packages/cli/src/store/registry/hosts.ts";
import { rewriteName, ruleFor } from "../../../packages/cli/src/store/registry/registries-conf.ts";
import { parseRegistryRules } from "../../../packages/cli/src/store/registry/registries-toml.ts";

const SAMPLE = `
# A comment
unqualified-search-registries = ["docker.io", # one
  'quay.io',
]
short-name-mode = "enforcing"

[[registry]]
prefix = "docker.io"
location = "registry-1.docker.io" # the real host

[[registry.mirror]]
location = "mirror.example/hub"
insecure = true
[[registry.mirror]]
location = 'second.example'
pull-from-mirror = "digest-only"

[[registry]]
location = "r.example:5000/team"
insecure = true

[[registry]]
prefix = "*.corp.example"
blocked = true

[aliases]
"almalinux" = "docker.io/library/almalinux"
`;

describe("registries.conf", () => {
  const rules = parseRegistryRules(SAMPLE, "registries.conf");

  it("gives prefixes, locations, mirrors and flags", () => {
    expect(rules).toEqual([
      {
        prefix: "docker.io",
        location: "registry-1.docker.io",
        insecure: false,
        blocked: false,
        mirrors: [
          { location: "mirror.example/hub", insecure: true, pull: "all" },
          { location: "second.example", insecure: false, pull: "digest-only" },
        ],
      },
      { prefix: "r.example:5000/team", location: "r.example:5000/team", insecure: true, blocked: false, mirrors: [] },
      { prefix: "*.corp.example", location: undefined, insecure: false, blocked: true, mirrors: [] },
    ]);
  });

  it.each([
    ["docker.io/library/app", "docker.io"],
    ["docker.iox/library/app", undefined],
    ["r.example:5000/team/app", "r.example:5000/team"],
    ["r.example:5000/teams/app", undefined],
    ["a.b.corp.example/x", "*.corp.example"],
    ["corp.example/x", undefined],
  ])("has for %s the rule of %s", (name, prefix) => {
    expect(ruleFor(name, rules)?.prefix).toBe(prefix);
  });

  it("replaces the prefix, and of a wildcard the host", () => {
    expect(rewriteName("docker.io/library/app", rules[0]!, "mirror.example/hub")).toBe(
      "mirror.example/hub/library/app",
    );
    expect(rewriteName("a.corp.example/x/y", rules[2]!, "m.example/z")).toBe("m.example/z/x/y");
    // A port that the prefix does not name stays.
    expect(rewriteName("a.corp.example:5000/x", rules[2]!, "m.example")).toBe("m.example:5000/x");
  });

  it("takes slashes from the end of a place, and refuses a URL in its stead", () => {
    const [rule] = parseRegistryRules('[[registry]]\nprefix = "r.example/team/"\nlocation = "m.example/"', "f");
    expect(rule).toMatchObject({ prefix: "r.example/team", location: "m.example" });
    for (const table of ["[[registry]]", '[[registry]]\nlocation = "x"\n[[registry.mirror]]']) {
      expect(() => parseRegistryRules(`${table}\nlocation = "https://m.example"`, "f")).toThrow(/has a scheme/);
    }
  });

  it.each([
    ["key", "f:1"],
    ["[[registry]]\nlocation = ", "f:2"],
    ['[[registry]]\nlocation = "x" y', "f:2"],
    ['[[registry.mirror]]\nlocation = "x"', "f"],
    ["x = [1, 2", "f:1"],
    ["x = 2026-01-01T", "f:1"],
    ['[registries.search]\nregistries = ["x"]', "f"],
    ['[registry]\nlocation = "x"', "f"],
    ['[[registry]]\nlocation = "x"\ninsecure = "yes"', "f"],
    ["[[registry]]\nlocation = 5", "f"],
    ['[[registry]]\nlocation = "x"\nlocation = "y"', "f:3"],
  ])("with %j is refused with its place", (text, where) => {
    expect(() => parseRegistryRules(text, "f")).toThrow(expect.objectContaining({ code: "INPUT_UNREADABLE", where }));
  });
});

describe("where an image is asked for", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "initwrap-hosts-"));
    await mkdir(join(folder, "containers"));
    await writeFile(join(folder, "registries.conf"), SAMPLE);
  });
  afterAll(() => rm(folder, { recursive: true }));
  const settings = () => hostSettings({ CONTAINERS_REGISTRIES_CONF: join(folder, "registries.conf"), HOME: folder });

  it("are the mirrors that serve it, then the registry; a push never goes to a mirror", async () => {
    const hosts = settings();
    expect(await hosts.pull(parseReference("app:1")!)).toEqual([
      { host: "mirror.example", registry: "mirror.example", repository: "hub/library/app" },
      { host: "registry-1.docker.io", registry: "registry-1.docker.io", repository: "library/app" },
    ]);
    const digest = `sha256:${"0".repeat(64)}`;
    expect((await hosts.pull(parseReference(`app@${digest}`)!)).map(({ host }) => host)).toEqual([
      "mirror.example",
      "second.example",
      "registry-1.docker.io",
    ]);
    expect((await hosts.push(parseReference("app:1")!)).host).toBe("registry-1.docker.io");
    expect([hosts.insecure("mirror.example"), hosts.insecure("registry-1.docker.io")]).toEqual([true, false]);
  });

  it("is the name itself for a push, by the rule's word on TLS: a location is for reading", async () => {
    const path = join(folder, "moved.conf");
    await writeFile(path, '[[registry]]\nprefix = "r.example/a"\nlocation = "m.example/b"\ninsecure = true\n');
    const hosts = hostSettings({ CONTAINERS_REGISTRIES_CONF: path, HOME: folder });
    const at = parseReference("r.example/a/x:1")!;
    expect(await hosts.pull(at)).toEqual([{ host: "m.example", registry: "m.example", repository: "b/x" }]);
    expect(await hosts.push(at)).toEqual({ host: "r.example", registry: "r.example", repository: "a/x" });
    expect([hosts.insecure("m.example"), hosts.insecure("r.example")]).toEqual([true, true]);
  });

  it("is nowhere when a rule makes no name of it", async () => {
    const path = join(folder, "odd.conf");
    await writeFile(path, '[[registry]]\nprefix = "*.example"\nlocation = "m.test:1"\n');
    const hosts = hostSettings({ CONTAINERS_REGISTRIES_CONF: path, HOME: folder });
    await expect(hosts.pull(parseReference("a.example:5000/x")!)).rejects.toMatchObject({ code: "INPUT_UNREADABLE" });
  });

  it.each([
    ['[[registry]]\nprefix = "m.example"\nblocked = true', true],
    [' \t[[ "registry" ]]\nprefix = "m.example"\nblocked = true', true],
    ['unqualified-search-registries = []\nregistry = [{ prefix = "m.example", blocked = true }]', true],
    ["[[registry]", true],
    ['[registries.block]\nregistries = ["m.example"]', true],
    ['registries.search = { registries = ["m.example"] }', true],
    ['[aliases]\n  "registry" = "docker.io/library/registry"\n"app" = "m.example', false],
    ['unqualified-search-registries = ["x"', false],
    ['[aliases]\n"app" = "m.example', false],
  ])("with the file %j is what its tables of registries say, and only these are read", async (text, isRead) => {
    const path = join(folder, "mention.conf");
    await writeFile(path, text);
    const pull = hostSettings({ CONTAINERS_REGISTRIES_CONF: path, HOME: folder }).pull(parseReference("m.example/x")!);
    if (isRead) await expect(pull).rejects.toBeInstanceOf(InitwrapError);
    else expect(await pull).toHaveLength(1);
  });

  it("is nowhere when the name is blocked", async () => {
    await expect(settings().pull(parseReference("a.corp.example/x")!)).rejects.toMatchObject({ exit: 5 });
  });

  it("is Docker Hub's own host without any configuration", async () => {
    const hosts = hostSettings({ CONTAINERS_REGISTRIES_CONF: join(folder, "none"), HOME: folder }, [
      "plain.example:80",
    ]);
    expect(await hosts.pull(parseReference("app")!)).toEqual([
      { host: "registry-1.docker.io", registry: "docker.io", repository: "library/app" },
    ]);
    expect([hosts.insecure("plain.example:80"), hosts.insecure("plain.example")]).toEqual([true, false]);
  });
});
