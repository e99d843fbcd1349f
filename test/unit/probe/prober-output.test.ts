/** What the prober prints, read whole or not at all. */
import { describe, expect, it } from "vitest";
import { ProberFailure, parseCurve, parseProcesses } from "../../../packages/cli/src/model/prober-output.ts";

const status = (name: string, pid: number, parent: number, state = "S (sleeping)", caught = "0", ignored = "0") =>
  `process ${pid}\nName:\t${name}\nState:\t${state}\nPid:\t${pid}\nPPid:\t${parent}\nSigIgn:\t${ignored}\nSigCgt:\t${caught}\n`;
const words = (...all: string[]) => {
  const bytes = all.map((word) => `${word}\0`).join("");
  return `cmdline ${bytes.length}\n${bytes}\n`;
};

describe("processes", () => {
  it("have their parent, their words and the signals that they handle", () => {
    const output = `${status("app", 12, 1, "R (running)", "0000000000004002", "0000000000001000")}${words("app", "--x")}end\n`;
    expect(parseProcesses(output)).toEqual([
      {
        pid: 12,
        parent: 1,
        name: "app",
        commandLine: ["app", "--x"],
        isZombie: false,
        caught: new Set([2, 15]),
        ignored: new Set([13]),
      },
    ]);
  });

  it("are all there where zombies, which have no words, stand side by side", () => {
    const zombies = [4, 3, 2].map((pid) => status("gone", pid, 1, "Z (zombie)") + words()).join("");
    const output = `${status("app", 1, 0)}${words("app")}${zombies}end\n`;
    expect(parseProcesses(output).map(({ pid, isZombie }) => [pid, isZombie])).toEqual([
      [1, false],
      [2, true],
      [3, true],
      [4, true],
    ]);
  });

  it("may have line feeds in their words, and a realtime signal's bit", () => {
    const text = "process 7\nnot one\nend";
    const output = `${status("sh", 1, 0, "S", "8000000000000000")}${words("sh", "-c", text)}end\n`;
    const [one, ...none] = parseProcesses(output);
    expect(none).toEqual([]);
    expect(one).toMatchObject({ commandLine: ["sh", "-c", text], caught: new Set([64]) });
  });

  it("do not count the prober that lists them", () => {
    const output = `${status("app", 1, 0)}${words("app")}${status("initwrap-prober", 9, 0)}${words("/initwrap-prober", "processes")}end\n`;
    expect(parseProcesses(output).map(({ pid }) => pid)).toEqual([1]);
  });
});

it("a curve is its points, in order", () => {
  expect(parseCurve("at 0 zombies 0 orphans 3\nat 51 zombies 1 orphans 2\nend\n")).toEqual([
    { at: 0, zombies: 0, orphans: 3 },
    { at: 51, zombies: 1, orphans: 2 },
  ]);
});

it.each([
  ["at 0 zombies 0 orphans 3\n", /cut short/],
  ["", /cut short/],
  ["at 0 zombies 0 orphans 3\nfailed clone 11\n", /failed: clone 11/],
])("%j is no answer", (output, message) => {
  for (const parse of [parseCurve, parseProcesses]) {
    expect(() => parse(output)).toThrow(ProberFailure);
    expect(() => parse(output)).toThrow(message);
  }
});
