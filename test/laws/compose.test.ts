/** The laws of the one rule, over any invocation and any init options. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  composeEntrypoint,
  decompose,
  INIT_PATH,
  type Init,
  initPrefix,
} from "../../packages/cli/src/model/compose.ts";
import { argvOf, type Invocation, sameArgv } from "../../packages/cli/src/model/invocation.ts";

const word = fc.oneof(
  fc.string(),
  fc.constantFrom(
    "--",
    "-g",
    INIT_PATH,
    "/sbin/tini",
    "dumb-init",
    "/init",
    "supervisord",
    "/bin/sh",
    "-c",
    "exec app",
    "",
  ),
);
const list = fc.option(fc.array(word, { maxLength: 5 }), { nil: null });
const invocation: fc.Arbitrary<Invocation> = fc.record({ entrypoint: list, cmd: list });
const option = fc.constantFrom("-g", "-v", "--rewrite=TERM:INT", "--grace=5s");
const init: fc.Arbitrary<Init> = fc.record({
  path: fc.constant(INIT_PATH),
  options: fc.array(option, { maxLength: 3 }),
});

describe("composeEntrypoint", () => {
  it("puts the prefix before the entrypoint and leaves cmd alone, or changes nothing", () => {
    fc.assert(
      fc.property(invocation, init, (x, i) => {
        const result = composeEntrypoint(x, i);
        if (result.kind !== "composed") return;
        const original = decompose(x)?.invocation ?? x;
        expect(result.invocation.entrypoint).toEqual([...initPrefix(i), ...(original.entrypoint ?? [])]);
        expect(result.invocation.cmd).toBe(x.cmd);
      }),
    );
  });

  it("twice is the same as once", () => {
    fc.assert(
      fc.property(invocation, init, (x, i) => {
        const once = composeEntrypoint(x, i);
        if (once.kind !== "composed") return;
        expect(composeEntrypoint(once.invocation, i)).toMatchObject({ kind: "unchanged", reason: "already" });
      }),
    );
  });

  it("is undone by decompose", () => {
    fc.assert(
      fc.property(invocation, init, (x, i) => {
        fc.pre(x.entrypoint?.[0] !== INIT_PATH);
        const result = composeEntrypoint(x, i);
        if (result.kind !== "composed") return;
        const back = decompose(result.invocation);
        expect(back?.init).toEqual(i);
        expect(sameArgv(back!.invocation.entrypoint, x.entrypoint)).toBe(true);
        expect(back!.invocation.cmd).toBe(x.cmd);
      }),
    );
  });

  it("keeps the original argv as a suffix of the result's", () => {
    fc.assert(
      fc.property(invocation, init, (x, i) => {
        const result = composeEntrypoint(x, i);
        if (result.kind !== "composed") return;
        const argv = argvOf(decompose(x)?.invocation ?? x);
        expect(argvOf(result.invocation).slice(-argv.length || Number.POSITIVE_INFINITY)).toEqual(argv);
      }),
    );
  });

  it("exchanges other options of our init and never stacks it", () => {
    fc.assert(
      fc.property(invocation, init, init, (x, first, second) => {
        fc.pre(x.entrypoint?.[0] !== INIT_PATH);
        const once = composeEntrypoint(x, first);
        if (once.kind !== "composed") return;
        const renewed = composeEntrypoint(once.invocation, second);
        const direct = composeEntrypoint(x, second);
        if (renewed.kind === "unchanged") expect(initPrefix(first)).toEqual(initPrefix(second));
        else if (renewed.kind === "composed" && direct.kind === "composed") {
          expect(renewed.invocation).toEqual(direct.invocation);
        } else throw new Error("renewing must compose as the first time did");
      }),
    );
  });
});

describe("an init that is replaced", () => {
  const option = fc.constantFrom(
    ["tini", "-g"],
    ["tini", "-s"],
    ["tini", "-v"],
    ["tini", "-w"],
    ["tini", "-p", "SIGTERM"],
    ["tini", "-e143"],
    ["dumb-init", "-c"],
    ["dumb-init", "-v"],
    ["dumb-init", "-r", "15:3"],
    ["dumb-init", "--rewrite=2:0"],
    ["catatonit", "-g"],
  );
  const old = fc.constantFrom("tini", "dumb-init", "catatonit").chain((name) =>
    fc.record({
      name: fc.constant(name),
      options: fc.array(
        option.filter(([of]) => of === name).map(([, ...words]) => words),
        { maxLength: 3 },
      ),
    }),
  );
  const program = fc.array(
    word.filter((text) => !["/sbin/tini", "dumb-init", "/init"].includes(text)),
    { maxLength: 4 },
  );

  it("gives its place and what was behind its --, and nothing else changes", () => {
    fc.assert(
      fc.property(old, program, list, init, ({ name, options }, behind, cmd, i) => {
        const x: Invocation = { entrypoint: [`/usr/bin/${name}`, ...options.flat(), "--", ...behind], cmd };
        const result = composeEntrypoint(x, i, { replaceInit: true });
        if (result.kind !== "composed") {
          // What stands behind may be an init again, ours too, or a supervisor.
          const next = composeEntrypoint({ entrypoint: behind, cmd }, i);
          expect([
            result.kind,
            next.kind === "composed" && decompose({ entrypoint: behind, cmd }) === undefined,
          ]).toEqual(["refused", false]);
          return;
        }
        expect(result.invocation.cmd).toBe(cmd);
        const back = decompose(result.invocation);
        expect(sameArgv(back!.invocation.entrypoint, behind)).toBe(true);
        expect(back!.init.options.slice(-i.options.length || Number.POSITIVE_INFINITY)).toEqual(i.options);
        expect(back!.init).toEqual(result.init);
        expect(composeEntrypoint(result.invocation, result.init)).toMatchObject({
          kind: "unchanged",
          reason: "already",
        });
      }),
    );
  });

  it("stays where it is without being asked", () => {
    fc.assert(
      fc.property(old, program, list, init, ({ name, options }, behind, cmd, i) => {
        const x: Invocation = { entrypoint: [name, ...options.flat(), "--", ...behind], cmd };
        expect(composeEntrypoint(x, i)).toMatchObject({ kind: "unchanged", reason: "existing-init" });
      }),
    );
  });
});

describe("existing inits", () => {
  const plain: Init = { path: INIT_PATH, options: [] };
  it.each([
    [["/sbin/tini", "--", "app"], "tini"],
    [["/usr/bin/dumb-init", "--", "app"], "dumb-init"],
    [["catatonit", "--", "app"], "catatonit"],
    [["/usr/libexec/docker/docker-init", "--", "app"], "tini"],
    [["/bin/sh", "-c", "exec tini -- app $PORT"], "tini"],
    [["/usr/bin/env", "A=1", "tini", "--", "app"], "tini"],
    [["env", "-i", "-C", "/srv", "--", "A=1", "dumb-init", "app"], "dumb-init"],
    [["su-exec", "app:app", "tini", "--", "app"], "tini"],
    [["stdbuf", "-oL", "-e", "0", "catatonit", "app"], "catatonit"],
  ])("%j is left in front", (entrypoint, name) => {
    const result = composeEntrypoint({ entrypoint, cmd: null }, plain);
    expect(result).toMatchObject({ kind: "unchanged", reason: "existing-init", notes: [{ init: name }] });
  });

  it.each([
    [["/init"], "s6-overlay"],
    [["/sbin/my_init", "--", "app"], "my_init"],
    [["/usr/bin/python3", "-u", "/sbin/my_init"], "my_init"],
    [["/usr/bin/python3", "/sbin/my_init"], "my_init"],
    [["/bin/sh", "-c", "exec /sbin/my_init --quiet"], "my_init"],
    [["/usr/lib/systemd/systemd"], "systemd"],
    [["/lib/systemd/systemd", "--system"], "systemd"],
    [["/usr/sbin/init"], "systemd or another system init"],
    [["s6-svscan", "/etc/s6"], "s6"],
    [["/package/admin/s6-overlay/libexec/s6-overlay-suexec"], "s6-overlay"],
    [["/sbin/runsvdir-start"], "runit"],
    [["gosu", "root", "/init"], "s6-overlay"],
    [["nice", "-n", "5", "/sbin/my_init"], "my_init"],
    [["env", "-u", "A", "B=1", "/init"], "s6-overlay"],
    [["/usr/local/bin/entrypoint", "/sbin/init"], "systemd or another system init"],
    [["/docker-entrypoint.sh", "/init"], "s6-overlay"],
    [["/bin/bash", "/docker-entrypoint.sh", "/init"], "s6-overlay"],
    [["/usr/bin/supervisord", "-n"], "supervisord"],
    [["/usr/bin/python3", "/usr/bin/supervisord"], "supervisord"],
    [["/bin/sh", "-c", "exec supervisord -n"], "supervisord"],
    [["/entrypoint.sh", "supervisord"], "supervisord"],
  ])("%j must be PID 1 itself", (entrypoint, name) => {
    const result = composeEntrypoint({ entrypoint, cmd: null }, plain);
    expect(result).toMatchObject({ kind: "refused", note: { init: name } });
  });

  it.each([
    [["/bin/sh", "-c", "tini -- app; echo done"]],
    [["/usr/bin/env"]],
    [["/opt/tinily"]],
    [["gosu", "tini"]],
    [["gosu", "tini", "app"]],
    [["/entrypoint.sh", "tini", "--", "app"]],
    [["/entrypoint.sh", "run", "/init"]],
    [["sh", "/entrypoint.sh", "run", "/init"]],
    [["sh", "-x", "/entrypoint.sh"]],
    [["python3", "app.py", "/sbin/my_init"]],
  ])("%j is no init", (entrypoint) => {
    expect(composeEntrypoint({ entrypoint, cmd: null }, plain).kind).toBe("composed");
  });

  it("supervisord gets an init in front where that is allowed, and keeps it", () => {
    const supervisord = { entrypoint: ["/entrypoint.sh"], cmd: ["supervisord", "-n"] };
    const result = composeEntrypoint(supervisord, plain, { allowSupervisor: true });
    if (result.kind !== "composed") throw new Error(result.kind);
    expect(decompose(result.invocation)?.invocation).toEqual(supervisord);
    const other: Init = { path: "/initwrap", options: ["-g"] };
    expect(composeEntrypoint(result.invocation, other)).toMatchObject({ kind: "composed", init: other });
    // Behind another init it is not PID 1 as it is.
    const behind = composeEntrypoint({ entrypoint: ["tini", "--", "supervisord"], cmd: null }, plain, {
      replaceInit: true,
    });
    expect(behind).toMatchObject({
      kind: "composed",
      invocation: { entrypoint: expect.arrayContaining(["supervisord"]) },
    });
  });

  it("what insists on being PID 1 gets none, allowed or not", () => {
    const result = composeEntrypoint({ entrypoint: ["/init"], cmd: null }, plain, { allowSupervisor: true });
    expect(result).toMatchObject({ kind: "refused", note: { code: "MUST_BE_PID1", init: "s6-overlay" } });
  });

  it("a shell that has more to do than supervisord is no init", () => {
    for (const text of ["supervisord -n", "service ssh start && exec supervisord -n"]) {
      expect(composeEntrypoint({ entrypoint: ["/bin/sh", "-c", text], cmd: null }, plain).kind).toBe("composed");
    }
  });

  it("a supervisor in CMD is seen behind the entrypoint's script", () => {
    const result = composeEntrypoint({ entrypoint: ["/entrypoint.sh"], cmd: ["/init"] }, plain);
    expect(result).toMatchObject({ kind: "refused", note: { code: "MUST_BE_PID1", init: "s6-overlay" } });
  });

  it("an init in CMD counts, for it is what runs first", () => {
    expect(composeEntrypoint({ entrypoint: null, cmd: ["/sbin/tini", "app"] }, plain).kind).toBe("unchanged");
  });
});
