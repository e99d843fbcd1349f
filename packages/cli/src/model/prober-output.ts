/** What the prober prints, taken apart: packages/init-core/prober/prober.c says how it is called. Source: proc(5). */

/** A process of a container. */
export interface ContainerProcess {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  /** Its words; empty for a zombie. */
  readonly commandLine: readonly string[];
  readonly isZombie: boolean;
  /** The numbers of the signals that it has a handler for, and that it ignores. */
  readonly caught: ReadonlySet<number>;
  readonly ignored: ReadonlySet<number>;
}

/** A moment of a spawner's run. */
export interface CurvePoint {
  /** Milliseconds since the first orphan was due to end. */
  readonly at: number;
  /** All zombies of the container. */
  readonly zombies: number;
  /** The spawner's orphans that still run. */
  readonly orphans: number;
}

/** Thrown for output that is no whole answer; its message says what the prober said. */
export class ProberFailure extends Error {}

/** What `processes` prints, without the prober itself, in the order of their numbers. Throws ProberFailure. */
export function parseProcesses(output: string): readonly ContainerProcess[] {
  const processes: ContainerProcess[] = [];
  for (const [, pid, status, words] of complete(output).matchAll(
    /(?<=^|\n)process (\d+)\n([\s\S]*?)\ncmdline \d+\n([\s\S]*?)\n(?=process \d+\nName:|$)/g,
  )) {
    const field = (name: string): string => new RegExp(`^${name}:\\t(.*)$`, "m").exec(status!)?.[1] ?? "";
    const name = field("Name");
    const commandLine = words!.split("\0").slice(0, -1);
    if (name === "initwrap-prober" && commandLine[1] === "processes") continue;
    processes.push({
      pid: Number(pid),
      parent: Number(field("PPid")),
      name,
      commandLine,
      isZombie: field("State").startsWith("Z"),
      caught: signalSet(field("SigCgt")),
      ignored: signalSet(field("SigIgn")),
    });
  }
  return processes.toSorted((a, b) => a.pid - b.pid);
}

/** What `orphans` prints. Throws ProberFailure. */
export function parseCurve(output: string): readonly CurvePoint[] {
  return complete(output)
    .split("\n")
    .flatMap((line) => {
      const [, at, zombies, orphans] = /^at (\d+) zombies (\d+) orphans (\d+)$/.exec(line) ?? [];
      return at === undefined ? [] : [{ at: Number(at), zombies: Number(zombies), orphans: Number(orphans) }];
    });
}

/** Without the line that says that nothing is missing. */
function complete(output: string): string {
  const failed = /^failed (.*)$/m.exec(output)?.[1];
  if (failed !== undefined) throw new ProberFailure(`the prober failed: ${failed}`);
  if (!/(?:^|\n)end\n?$/.test(output)) throw new ProberFailure(`the prober was cut short: ${output.slice(-200)}`);
  return output.replace(/end\n?$/, "");
}

/** A mask in hexadecimal, whose lowest bit is signal 1. */
function signalSet(mask: string): ReadonlySet<number> {
  const bits = BigInt(`0x${mask || "0"}`);
  const numbers = Array.from({ length: 64 }, (_, at) => at + 1);
  return new Set(numbers.filter((number) => (bits >> BigInt(number - 1)) & 1n));
}
