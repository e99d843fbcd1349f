/** The configuration file's JSON schema, for editors and for whoever writes such files by a program. */
import type { CommandReference, FlagReference } from "./command.ts";
import { configurable, initOptions, settingNames } from "./settings.ts";

type Schema = Readonly<Record<string, unknown>>;

/** A word of YAML may look like a number. */
const WORD: Schema = { type: ["string", "number"] };

/** `schemas/initwrap.schema.json`. */
export function settingsSchema(commands: readonly CommandReference[]): Schema {
  const names = settingNames(commands);
  const propertiesOf = (command: string | undefined) =>
    Object.fromEntries(
      names.filter((name) => name.command === command).map(({ flag }) => [flag.name, schemaOf(flag)] as const),
    );
  const init = { $ref: "#/$defs/init" };
  const sections = configurable(commands).map(({ name, summary, flags }) => {
    const hasInit = flags.some((flag) => flag.name === "init-arg");
    const properties = { ...propertiesOf(name), ...(hasInit ? { init } : {}) };
    return [name, { description: summary, type: ["object", "null"], additionalProperties: false, properties }] as const;
  });
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: "https://unpkg.com/initwrap/schemas/initwrap.schema.json",
    title: "initwrap's configuration file, .initwrap.yaml",
    type: "object",
    additionalProperties: false,
    properties: { ...propertiesOf(undefined), init, ...Object.fromEntries(sections) },
    $defs: {
      init: {
        description: "Options of the init, by their names, in place of init-arg.",
        type: ["object", "null"],
        additionalProperties: false,
        properties: Object.fromEntries(initOptions(commands).map((option) => [option.name, initSchemaOf(option)])),
      },
    },
  };
}

function schemaOf(flag: FlagReference): Schema {
  const { description } = flag;
  if (flag.value === undefined) return { description, type: "boolean" };
  const word: Schema = flag.options === undefined ? WORD : { enum: flag.options };
  if (!flag.multiple) return { description, ...word };
  return { description, oneOf: [word, { type: "array", minItems: 1, items: word }] };
}

function initSchemaOf({ description, value }: FlagReference): Schema {
  if (value === undefined) return { description, type: "boolean" };
  return { description, oneOf: [WORD, { type: "array", minItems: 1, items: WORD }] };
}
