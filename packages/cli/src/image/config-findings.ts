/** What an image's config has in it that an init cannot make up for, whatever its command is. */
import type { Diagnostic } from "../model/diagnostics.ts";
import { formatPlatform } from "../model/platform.ts";
import { unhandledSignal } from "../model/stop-signal.ts";
import { type ImageConfig, type ManifestNode, platformOf } from "./snapshot.ts";

/** A stop signal that nobody can handle, and triggers that give images built from this one another entrypoint. */
export function configFindings(node: ManifestNode): readonly Diagnostic[] {
  const config: NonNullable<ImageConfig["config"]> = node.config.value.config ?? {};
  const platform = formatPlatform(platformOf(node));
  const findings: Diagnostic[] = [];
  const { StopSignal: signal, OnBuild: triggers } = config;
  if (typeof signal === "string" && unhandledSignal(signal) !== undefined) {
    findings.push({ code: "STOPSIGNAL_KILL", severity: "warning", args: { platform, signal } });
  }
  if (Array.isArray(triggers) && triggers.some((one) => /^\s*ENTRYPOINT\s/i.test(String(one)))) {
    findings.push({ code: "ONBUILD_ENTRYPOINT", severity: "warning", args: { platform, instruction: "ENTRYPOINT" } });
  }
  return findings;
}
