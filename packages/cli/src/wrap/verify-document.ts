/** What a run of `initwrap verify` says: one JSON document, or lines for people. It formats, and decides nothing. */
import { familiarReference, parseReference } from "../model/reference.ts";
import type { VerifyResult } from "./verify.ts";

/** The `--json` document, version 1. */
export function verifyDocument(result: VerifyResult): { readonly version: 1 } & Record<string, unknown> {
  return {
    version: 1,
    command: "verify",
    verified: result.verified,
    source: `${result.source.scheme}:${result.source.location}`,
    names: result.names,
    digest: result.digest,
    platforms: result.platforms.map(({ diagnostics: _, run, ...platform }) => ({
      ...platform,
      run: run && {
        signal: run.signal,
        pid1: run.pid1,
        stoppedAfter: run.stoppedAfter,
        exitCode: run.exitCode,
      },
    })),
    diagnostics: result.diagnostics,
  };
}

/** The product line: what was verified, by digest: `name@sha256:…`, or the digest alone for an image without a name. */
export function verifiedLine({ names, digest }: VerifyResult): string {
  const reference = names[0] === undefined ? undefined : parseReference(names[0]);
  return reference ? `${familiarReference(reference)}@${digest}` : digest;
}

/** One line a platform. */
export function verdictLines(result: VerifyResult): readonly string[] {
  return result.platforms.map(({ platform, verified, init, entrypoint, cmd, run }) => {
    const what = init === null ? "no init" : `${init.name}${init.version === null ? "" : ` ${init.version}`}`;
    const argv = `ENTRYPOINT ${JSON.stringify(entrypoint)} CMD ${JSON.stringify(cmd)}`;
    const stopped =
      run?.stoppedAfter == null ? "" : `, ended ${run.stoppedAfter} ms after ${run.signal} with ${run.exitCode}`;
    return `${platform}: ${verified ? "verified" : "NOT VERIFIED"}, ${what}, ${argv}${stopped}`;
  });
}
