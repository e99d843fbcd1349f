/** Findings about inits that a Dockerfile downloads, and about triggers that undo one. */
import type { Diagnostic } from "../model/diagnostics.ts";
import type { Stage } from "./evaluate.ts";
import type { Dockerfile, Instruction } from "./syntax.ts";
import { decode } from "./text.ts";

// The last component of an address names the file; a version or an architecture may follow the init's name.
const INIT_ADDRESS =
  /\bhttps?:\/\/[^\s"']*\/((?:tini|dumb-init|catatonit|pid1)(?:[-_.][^\s"'/;&|)]*)?)(?=["'\s;&|)]|$)/g;
const ARCHITECTURE =
  /(?:^|[-_.])(amd64|x86_64|x64|i386|arm64|aarch64|armhf|armv7l?|armel|ppc64le|s390x|riscv64)(?=$|[-_.])/;
const CHECKS = /\b(?:sha(?:1|224|256|384|512)sum|shasum|b2sum|openssl\s+dgst|gpgv?|cosign|minisign)\b/;
const CHOOSES = /\b(?:uname|dpkg\s+--print-architecture|apk\s+--print-arch|TARGETARCH|TARGETPLATFORM|BUILDARCH)\b/;

/** Inits that are fetched from an address, anywhere in the file: a stage may copy from any other. */
export function downloadFindings(dockerfile: Dockerfile): readonly Diagnostic[] {
  const findings: Diagnostic[] = [];
  let fixedPlatform = false;
  for (const instruction of dockerfile.instructions) {
    if (instruction.keyword === "FROM") {
      const platform = instruction.flags.find((flag) => flag.startsWith("--platform="));
      fixedPlatform = platform !== undefined && !platform.includes("$");
    }
    if (instruction.keyword === "ADD" || instruction.keyword === "RUN") {
      findings.push(...downloads(instruction, fixedPlatform));
    }
  }
  return findings;
}

function downloads(instruction: Instruction, fixedPlatform: boolean): readonly Diagnostic[] {
  const text = decode([instruction.argument, ...instruction.heredocs.map(({ content }) => content)].join("\n"));
  const { range } = instruction;
  const checked =
    instruction.keyword === "ADD"
      ? instruction.flags.some((flag) => flag.startsWith("--checksum="))
      : CHECKS.test(text);
  const chooses = fixedPlatform || (instruction.keyword === "RUN" && CHOOSES.test(text));
  const findings: Diagnostic[] = [];
  for (const [, file] of text.matchAll(INIT_ADDRESS)) {
    // A signature, a list of checksums or a repository is not the init.
    if (file === undefined || /\.(?:asc|sig|git|sha\d+(?:sum)?)$/.test(file)) continue;
    const init = /^(?:tini|dumb-init|catatonit|pid1)/.exec(file)?.[0] as string;
    if (!checked) findings.push({ code: "INIT_UNVERIFIED", severity: "warning", args: { init }, range });
    const architecture = architectureOf(file);
    if (architecture !== undefined && !chooses) {
      findings.push({ code: "INIT_ONE_ARCHITECTURE", severity: "warning", args: { init, architecture }, range });
    }
  }
  return findings;
}

/** The architecture that a file's name says, variables aside; tini's own names without one are amd64's. */
function architectureOf(file: string): string | undefined {
  const constant = file.replace(/\$(?:\{[^}]*\}|\w+)/g, "$");
  return ARCHITECTURE.exec(constant)?.[1] ?? (/^tini(?:-static)?$/.test(constant) ? "amd64" : undefined);
}

/** Triggers of the wrapped stage that give its children another entrypoint. */
export function triggerFindings(stage: Stage): readonly Diagnostic[] {
  return stage.instructions.flatMap(({ keyword, trigger, range }) =>
    keyword === "ONBUILD" && trigger?.keyword === "ENTRYPOINT"
      ? [{ code: "ONBUILD_ENTRYPOINT", severity: "warning", args: { instruction: trigger.keyword }, range } as const]
      : [],
  );
}
