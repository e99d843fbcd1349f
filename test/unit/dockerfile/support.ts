/** What the Dockerfile tests share: the samples, an init's bytes, and a plan with everything filled in. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { BaseConfig } from "../../../packages/cli/src/dockerfile/evaluate.ts";
import type { Injection } from "../../../packages/cli/src/dockerfile/injection.ts";
import { type DockerfilePlan, type PlanRequest, plan } from "../../../packages/cli/src/dockerfile/plan.ts";
import { decode, encode } from "../../../packages/cli/src/dockerfile/text.ts";
import { formatReference, parseReference } from "../../../packages/cli/src/model/reference.ts";
import { dockerfileSnippets } from "../../../packages/cli/src/wrap/dockerfile-snippets.ts";
import { ROOT } from "../../support/programs.ts";

export const FIXTURES = join(ROOT, "test/fixtures/dockerfile");

/** Bytes like those of a program: zeros, high bytes, text that looks like a marker; a line feed at the end. */
export const BYTES = `\x7fELF\x00\x01\xff\xfe\r\n# initwrap end\nFROM x\r\n${String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i))}\n`;

export const AMD64 = { os: "linux", architecture: "amd64" } as const;
export const ARM64 = { os: "linux", architecture: "arm64" } as const;

export const INLINE: Injection = {
  kind: "inline",
  inits: [
    { platform: AMD64, text: BYTES },
    { platform: ARM64, text: `${BYTES}arm64\n` },
  ],
};
export const CONTEXT: Injection = { kind: "context", platforms: [AMD64] };
export const IMAGE: Injection = { kind: "image", reference: `example.com/init@sha256:${"a".repeat(64)}` };

/** Every base is known, and says which it is. */
export function sentinelBase(reference: string): BaseConfig | undefined {
  const parsed = parseReference(reference);
  if (parsed === undefined) return undefined;
  const name = formatReference(parsed);
  return { os: "linux", entrypoint: [`BASE-ENTRYPOINT:${name}`], cmd: [`BASE-CMD:${name}`] };
}

/** Plans a Dockerfile written as a JavaScript string. */
export function planned(dockerfile: string, request: Partial<PlanRequest> = {}): DockerfilePlan {
  return plan(encode(dockerfile), {
    base: sentinelBase,
    init: { path: "/initwrap", options: [] },
    injection: CONTEXT,
    snippets: dockerfileSnippets(),
    ...request,
  });
}

/** The result of a plan, as a JavaScript string. */
export function rewritten(dockerfile: string, request: Partial<PlanRequest> = {}): string {
  return decode(planned(dockerfile, request).result);
}

/** The code that a plan ends with. */
export function refusal(dockerfile: string, request: Partial<PlanRequest> = {}): string {
  try {
    planned(dockerfile, request);
    return "none";
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).name;
  }
}

export function fixture(name: string): Buffer {
  return readFileSync(join(FIXTURES, name));
}
