/** Opens an image that is only looked at: its documents, and of its layers what lies in a file. */
import { InitwrapError, withPlace } from "../model/errors.ts";
import type { Root, Source, StoreContext } from "../store/contract.ts";
import { type Locator, parseLocator, withSchemeHint } from "../store/locator.ts";
import { mediumOf } from "../store/media.ts";
import { whileUndisturbed } from "../store/written-meanwhile.ts";

export interface OpenImage {
  /** Where it was found. */
  readonly locator: Locator;
  readonly source: Source;
  readonly root: Root;
}

/** A bare name that the engine does not have, or that no engine can be asked about, is looked up in its registry. Throws InitwrapError. */
export async function openImage(subject: string, context: StoreContext): Promise<OpenImage> {
  const given = await parseLocator(subject, "source");
  try {
    return await openGiven(given, context);
  } catch (cause) {
    throw withPlace(withSchemeHint(cause, subject, given), subject);
  }
}

async function openGiven(given: Locator, context: StoreContext): Promise<OpenImage> {
  const attempt = async (locator: Locator): Promise<OpenImage> => {
    const source = await (await mediumOf(locator.scheme)).source(locator.location, { ...context, layers: false });
    try {
      return { locator, source, root: await source.root() };
    } catch (cause) {
      await source.close();
      throw cause;
    }
  };
  try {
    return await attempt(given);
  } catch (cause) {
    if (!(cause instanceof InitwrapError) || !given.isBare) throw cause;
    if (cause.code !== "IMAGE_NOT_FOUND" && cause.code !== "DAEMON_UNREACHABLE") throw cause;
    try {
      return await attempt({ scheme: "registry", location: given.location, isBare: false });
    } catch (failure) {
      if (!(failure instanceof InitwrapError)) throw failure;
      const { code, message, hint, where } = failure;
      throw new InitwrapError(code, `${message} (and ${cause.message})`, {
        cause: failure,
        ...(where === undefined ? {} : { where }),
        ...(hint === undefined ? {} : { hint }),
      });
    }
  }
}

/**
 * Runs `work` on an image that was opened, and closes it; anew where another process wrote to it meanwhile. What `work` throws has
 * the image for its place.
 */
export function withImage<T>(
  subject: string,
  context: StoreContext,
  work: (opened: OpenImage) => Promise<T>,
): Promise<T> {
  return whileUndisturbed(async () => {
    const opened = await openImage(subject, context);
    try {
      return await work(opened);
    } catch (cause) {
      throw withPlace(opened.source.failure?.(cause) ?? cause, subject);
    } finally {
      await opened.source.close();
    }
  });
}
