/** `initwrap verify --json`, its exit code, and its document against the published schema. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect } from "vitest";
import { initwrap } from "./cli.ts";
import { ROOT } from "./programs.ts";

export interface VerifyDocument {
  readonly verified: boolean;
  readonly source: string;
  readonly digest: string;
  readonly platforms: readonly {
    readonly platform: string;
    readonly verified: boolean;
    readonly config: string;
    readonly init: { readonly sha256: string | null; readonly layer: string | null } | null;
    readonly command: string;
  }[];
  readonly diagnostics: readonly {
    readonly code: string;
    readonly severity: string;
    readonly args: Readonly<Record<string, string | number>>;
  }[];
}

const schema = JSON.parse(readFileSync(join(ROOT, "schemas/verify.schema.json"), "utf8"));
const validate = new Ajv2020({ allowUnionTypes: true, strictTypes: false, allErrors: true }).compile(schema);

/** The document, which the schema has to admit, and to refuse when a field is lost or made up. */
export async function verifyDocumentOf(
  args: readonly string[],
  { env = {}, status = 0 }: { readonly env?: NodeJS.ProcessEnv; readonly status?: number } = {},
): Promise<VerifyDocument> {
  const result = await initwrap(["verify", ...args, "--json"], { env });
  expect([result.status, result.stderr], result.stdout.toString()).toEqual([status, ""]);
  const document = JSON.parse(result.stdout.toString());
  expect(validate(document), JSON.stringify(validate.errors?.slice(0, 5))).toBe(true);
  for (const key of Object.keys(document)) {
    const { [key]: _, ...rest } = document;
    expect(validate(rest), `without ${key}`).toBe(false);
  }
  expect(validate({ ...document, surprise: 1 })).toBe(false);
  return document;
}
