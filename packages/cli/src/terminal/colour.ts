/**
 * Colours for one stream. NO_COLOR wins, then FORCE_COLOR, then whether the stream is a terminal that knows them.
 * Sources: no-color.org; Node's `tty.WriteStream.hasColors`.
 */
import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

export type Paint = (style: Style, text: string) => string;

/** The function that paints text for `stream`, or leaves it as it is. */
export function paintFor(stream: NodeJS.WriteStream, environment: NodeJS.ProcessEnv = process.env): Paint {
  return wantsColour(stream, environment)
    ? (style, text) => styleText(style, text, { validateStream: false })
    : (_style, text) => text;
}

function wantsColour(stream: NodeJS.WriteStream, environment: NodeJS.ProcessEnv): boolean {
  if (environment["NO_COLOR"]) return false;
  const force = environment["FORCE_COLOR"];
  if (force !== undefined && force !== "") return force !== "0" && force !== "false";
  return stream.isTTY === true && environment["TERM"] !== "dumb";
}
