/** What cosign's tags of an image, `sha256-DIGEST.SUFFIX`, hold, by suffix. Source: cosign, specs/SIGNATURE_SPEC.md. */
export const COSIGN_TAGS: Readonly<Record<string, string>> = {
  sig: "cosign signature",
  att: "cosign attestation",
  sbom: "cosign SBOM",
};
