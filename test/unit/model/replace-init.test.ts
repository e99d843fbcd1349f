/** Which options of ours stand for another init's, and which commands are left alone because nobody can know. */
import { describe, expect, it } from "vitest";
import { composeEntrypoint, INIT_PATH } from "../../../packages/cli/src/model/compose.ts";
import { replaceInit } from "../../../packages/cli/src/model/replace-init.ts";

const none = () => undefined;
const words = (text: string) => text.split(" ").filter((word) => word !== "");

function replaced(entrypoint: string, cmd = "", environment: Readonly<Record<string, string>> = {}) {
  const [program = ""] = words(entrypoint);
  const name = program.includes("dumb") ? "dumb-init" : program.includes("catatonit") ? "catatonit" : "tini";
  const invocation = { entrypoint: words(entrypoint), cmd: cmd === "" ? null : words(cmd) };
  const result = replaceInit(name, invocation, (variable) => environment[variable]);
  return result.kind === "refused" ? "refused" : `${result.options.join(" ")} | ${result.entrypoint.join(" ")}`;
}

describe("the options of", () => {
  it.each([
    ["tini -- app", "--no-group | app"],
    ["/sbin/tini app", "--no-group | app"],
    ["tini -g -- app -x", "-g | app -x"],
    ["tini -s -- app", "--no-group | app"],
    ["tini -p SIGTERM -- app", "--no-group --pdeathsig=SIGTERM | app"],
    ["tini -pSIGTERM -- app", "--no-group --pdeathsig=SIGTERM | app"],
    ["tini -e 143 -e 130 -- app", "--no-group --exit-map=143 --exit-map=130 | app"],
    ["tini -gve143 -- app", "-g -v --exit-map=143 | app"],
    ["tini -vvv -- app", "--no-group -v -v -v | app"],
    ["tini -w -- app", "--no-group | app"],
    ["dumb-init app", "-g | app"],
    ["dumb-init -- app", "-g | app"],
    ["dumb-init -c app -c", "--no-group | app -c"],
    ["dumb-init --single-child -- app", "--no-group | app"],
    ["dumb-init --sing app", "--no-group | app"],
    [
      "dumb-init -r 15:3 --rewrite=1:0 --rewrite 2:15 -v app",
      "-g --rewrite=15:3 --rewrite=1:0 --rewrite=2:15 -v | app",
    ],
    ["dumb-init -r15:3 app", "-g --rewrite=15:3 | app"],
    ["catatonit app", "--no-group | app"],
    ["catatonit -g -- app -V", "-g | app -V"],
    ["tini --", "--no-group | "],
  ])("%s are %s", (entrypoint, expected) => expect(replaced(entrypoint)).toBe(expected));

  it.each([
    ["tini -- app", { TINI_KILL_PROCESS_GROUP: "" }, "-g | app"],
    ["tini -- app", { TINI_VERBOSITY: "3", TINI_SUBREAPER: "" }, "--no-group -v | app"],
    ["tini -- app", { TINI_VERBOSITY: "1" }, "--no-group | app"],
    ["dumb-init app", { DUMB_INIT_SETSID: "0", DUMB_INIT_DEBUG: "1" }, "--no-group -v | app"],
    ["dumb-init app", { DUMB_INIT_SETSID: "1" }, "-g | app"],
    ["catatonit app", { CATATONIT_DEBUG: "1" }, "--no-group -v | app"],
  ])("%s may be in the environment: %j", (entrypoint, environment, expected) =>
    expect(replaced(entrypoint, "", environment)).toBe(expected),
  );

  it("that ours has no use for are said to be dropped", () => {
    expect(replaceInit("tini", { entrypoint: ["tini", "-sw", "--", "a"], cmd: null }, none)).toMatchObject({
      dropped: ["-w"],
    });
  });
});

describe("nothing is replaced", () => {
  it.each([
    ["tini -x -- app", "an option that it does not have"],
    ["tini --single-child app", "a long option"],
    ["tini -p TERM -- app", "a signal that tini does not take"],
    ["tini -e 256 -- app", "a status that does not exist"],
    ["tini -e", "a value that is missing"],
    ["tini -h", "help"],
    ["tini --version", "a version"],
    ["dumb-init -V", "a version"],
    ["dumb-init --ver", "a name that is two options' beginning"],
    ["dumb-init --single-child=1 app", "a value that is not taken"],
    ["dumb-init -r 15 app", "half a rewrite"],
    ["dumb-init -r TERM:INT app", "signal names, which dumb-init does not take"],
    ["dumb-init -r 15:32 app", "a signal beyond dumb-init's"],
    ["catatonit -P", "a pause"],
  ])("for %s: %s", (entrypoint) => expect(replaced(entrypoint)).toBe("refused"));

  it.each([
    ["tini", "-- app"],
    ["tini", "-g app"],
    ["tini -e", "143 app"],
    ["dumb-init", "-c app"],
  ])("when CMD holds the options: %s + %s", (entrypoint, cmd) => expect(replaced(entrypoint, cmd)).toBe("refused"));

  // Measured: Debian's tini and catatonit take -v and one -- from behind the program, Alpine's leave both there.
  it.each([
    ["tini app -v", ""],
    ["tini app -- x", ""],
    ["tini app", "-g"],
    ["tini -g app -e 3", ""],
    ["catatonit app -g", ""],
  ])("when C libraries read it in two ways: %s + %s", (entrypoint, cmd) =>
    expect(replaced(entrypoint, cmd)).toBe("refused"),
  );

  it.each([
    ["tini app --flag -v", "--no-group | app --flag -v"],
    ["tini app -c x -- y", "--no-group | app -c x -- y"],
    ["tini app -h", "--no-group | app -h"],
    ["tini -- app -v -- x", "--no-group | app -v -- x"],
    ["tini - x", "--no-group | - x"],
    ["dumb-init app -v -- x", "-g | app -v -- x"],
  ])("unless only one of them can have worked: %s", (entrypoint, expected) =>
    expect(replaced(entrypoint)).toBe(expected),
  );
});

describe("composing with --replace-init", () => {
  const init = { path: INIT_PATH, options: ["--grace=5s"] } as const;
  const compose = (entrypoint: readonly string[] | null, cmd: readonly string[] | null = null) =>
    composeEntrypoint({ entrypoint, cmd }, init, { replaceInit: true });

  it("lets the options that were asked for have the last word", () =>
    expect(compose(["tini", "-g", "--", "app"], ["x"])).toMatchObject({
      invocation: { entrypoint: [INIT_PATH, "-g", "--grace=5s", "--", "app"], cmd: ["x"] },
      notes: [{ code: "INIT_REPLACED", init: "tini", options: "-g" }],
    }));
  it.each([
    [["/usr/local/bin/tini-static-amd64", "--", "app"]],
    [["/tini-muslc-arm64", "--", "app"]],
    [["/usr/local/bin/dumb-init_1.2.5_x86_64", "app"]],
    [["/sbin/docker-init", "--", "app"]],
    [["catatonit.x86_64", "--", "app"]],
  ])("knows the names of releases: %j", (entrypoint) =>
    expect(compose(entrypoint)).toMatchObject({ kind: "composed" }),
  );
  it.each([
    [["/bin/sh", "-c", "exec tini -- app"], null],
    [["env", "A=1", "tini", "--", "app"], null],
    [null, ["tini", "--", "app"]],
  ])("leaves an init that it cannot take out: %j %j", (entrypoint, cmd) =>
    expect(compose(entrypoint, cmd)).toMatchObject({ kind: "unchanged", notes: [{ code: "EXISTING_INIT" }] }),
  );
  it("refuses what may not be behind it either", () =>
    expect(compose(["tini", "--", "/init"])).toMatchObject({ kind: "refused", note: { code: "MUST_BE_PID1" } }));
  it.each([[["tini", "--", "dumb-init", "app"]], [["tini", "-z", "--", "app"]], [["pid1", "app"]]])(
    "refuses what it cannot say in its own options: %j",
    (entrypoint) => expect(compose(entrypoint)).toMatchObject({ kind: "refused", note: { code: "INIT_NOT_REPLACED" } }),
  );
});
