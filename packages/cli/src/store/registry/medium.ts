/** The registry's row in the table of media: `registry:HOST/REPOSITORY:TAG`. */
import { InitwrapError } from "../../model/errors.ts";
import { parseReference, type Reference } from "../../model/reference.ts";
import type { Medium, StoreContext } from "../contract.ts";
import { openRegistrySink } from "./sink.ts";
import { openRegistrySource, type RegistryOptions } from "./source.ts";

/** The variable that lists such hosts, separated by commas; --insecure-registry adds to it. */
const INSECURE_VARIABLE = "INITWRAP_INSECURE_REGISTRIES";

/** Any OCI or Docker distribution registry. `location` is a reference; without a tag or digest it means `latest`. */
export const registryMedium: Medium = {
  scheme: "registry",
  source: async (location, options) => openRegistrySource(referenceOf(location), registryOptions(options)),
  sink: async (location, options) => {
    const names = options.names.map(referenceOf);
    const [first = referenceOf(location), ...more] = names;
    return openRegistrySink(first, {
      ...registryOptions(options),
      names: more,
      ...(options.from ? { from: options.from } : {}),
    });
  },
};

/** What a use-case knows, as the client takes it. */
export function registryOptions(context: StoreContext): RegistryOptions {
  const listed = (context.env[INSECURE_VARIABLE] ?? "").split(",").map((host) => host.trim());
  return {
    env: context.env,
    insecureRegistries: [...listed.filter(Boolean), ...(context.insecureRegistries ?? [])],
    ...(context.signal ? { signal: context.signal } : {}),
    ...(context.onProgress ? { onProgress: context.onProgress } : {}),
  };
}

function referenceOf(text: string): Reference {
  // `docker://` is how skopeo and podman write it.
  const reference = parseReference(text.replace(/^\/\//, ""));
  if (reference) return reference;
  throw new InitwrapError("LOCATOR_INVALID", `${text} is no image reference`, {
    where: text,
    hint: "A reference is [HOST[:PORT]/]PATH[:TAG][@sha256:DIGEST], in lower case.",
  });
}
