/** `initwrap probe --json`, and its document against the published schema. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect } from "vitest";
import type { ProbeResult } from "../../packages/cli/src/wrap/probe.ts";
import { ROOT } from "./programs.ts";

const schema = JSON.parse(readFileSync(join(ROOT, "schemas/probe.schema.json"), "utf8"));
const validate = new Ajv2020({ allowUnionTypes: true, strictTypes: false, allErrors: true }).compile(schema);

/** The document, which the schema has to admit, and to refuse when a field is lost or made up. */
export function probeDocumentOf(text: string): ProbeResult {
  const document = JSON.parse(text);
  expect(validate(document), JSON.stringify(validate.errors?.slice(0, 5))).toBe(true);
  for (const key of Object.keys(document)) {
    const { [key]: _, ...rest } = document;
    expect(validate(rest), `without ${key}`).toBe(false);
  }
  expect(validate({ ...document, surprise: 1 })).toBe(false);
  return document;
}
