/** The reporters by name. A new one is a file here and a row in the table. */
import type { Reporter } from "./report.ts";

interface Entry {
  /** A document is a whole file for another program; lines are read as they come. */
  readonly kind: "lines" | "document";
  readonly load: () => Promise<{ readonly default: Reporter }>;
}

const REPORTERS = {
  pretty: { kind: "lines", load: () => import("./pretty.ts") },
  github: { kind: "lines", load: () => import("./github.ts") },
  json: { kind: "document", load: () => import("./json.ts") },
  gitlab: { kind: "document", load: () => import("./gitlab.ts") },
  sarif: { kind: "document", load: () => import("./sarif.ts") },
} as const satisfies Record<string, Entry>;

export type ReporterName = keyof typeof REPORTERS;

export const REPORTER_NAMES = Object.keys(REPORTERS) as readonly ReporterName[];

/** The reporter that was asked for; else annotations where GitHub Actions reads the log, and text everywhere else. */
export function chooseReporter(
  asked: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): ReporterName {
  if (asked !== undefined && Object.hasOwn(REPORTERS, asked)) return asked as ReporterName;
  return environment["GITHUB_ACTIONS"] === "true" ? "github" : "pretty";
}

/** True for reporters whose output is one document. */
export function isDocument(name: ReporterName): boolean {
  return REPORTERS[name].kind === "document";
}

export async function loadReporter(name: ReporterName): Promise<Reporter> {
  return (await REPORTERS[name].load()).default;
}
