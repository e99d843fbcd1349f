/** The registry's row in the table of media: `registry:HOST/REPOSITORY:TAG`. */

import type { Digest } from "../../model/digest.ts";
import { InitwrapError } from "../../model/errors.ts";
import { formatReference, parseReference, type Reference, referenceHint } from "../../model/reference.ts";
import type { Attachment, Medium, StoreContext } from "../contract.ts";
import { attachmentsTo } from "./attachments.ts";
import { RegistryClient } from "./client.ts";
import { RegistrySession } from "./session.ts";
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
  namesFor: async (location, asked) =>
    (asked.length > 0 ? asked : [location]).map((name) => formatReference(referenceOf(name))),
};

/** What a use-case knows, as the client takes it. */
export function registryOptions(context: StoreContext): RegistryOptions {
  const listed = (context.env[INSECURE_VARIABLE] ?? "").split(",").map((host) => host.trim());
  return {
    env: context.env,
    insecureRegistries: [...listed.filter(Boolean), ...(context.insecureRegistries ?? [])],
    ...(context.signal ? { signal: context.signal } : {}),
    ...(context.onProgress ? { onProgress: context.onProgress } : {}),
    ...(context.session ? { session: context.session } : {}),
  };
}

/** What many images share: hand it on as `session` of their contexts, and close it. `jobs` of them run at a time. */
export function openSession(context: StoreContext, jobs: number): RegistrySession {
  return new RegistrySession({ ...registryOptions(context), connections: Math.max(8, 2 * jobs) });
}

/** The digest that a name has at its registry now; undefined when it has none, or when it cannot be had. One request. */
export async function digestAt(name: string, context: StoreContext): Promise<Digest | undefined> {
  const options = registryOptions(context);
  const session = options.session ?? new RegistrySession(options);
  try {
    const reference = referenceOf(name);
    const client = new RegistryClient(session, await session.hosts.push(reference));
    return (await client.headManifest(reference.tag ?? reference.digest ?? "latest"))?.digest;
  } catch (error) {
    // Registries refuse to be asked about a repository that is not there yet. What is really wrong shows when it is written.
    if (!(error instanceof InitwrapError)) throw error;
    return undefined;
  } finally {
    if (!options.session) await session.close();
  }
}

/** What is attached to a digest in the repository of that name; undefined when the registry does not say. */
export async function attachmentsAt(
  name: string,
  digest: Digest,
  context: StoreContext,
): Promise<readonly Attachment[] | undefined> {
  const options = registryOptions(context);
  const session = options.session ?? new RegistrySession(options);
  try {
    return await attachmentsTo(new RegistryClient(session, await session.hosts.push(referenceOf(name))), digest);
  } finally {
    if (!options.session) await session.close();
  }
}

function referenceOf(text: string): Reference {
  // `docker://` is how skopeo and podman write it.
  const reference = parseReference(text.replace(/^\/\//, ""));
  if (reference) return reference;
  throw new InitwrapError("LOCATOR_INVALID", `${text} is no image reference`, {
    where: text,
    hint: referenceHint(text),
  });
}
