/**
 * Colours for one stream. What `--color` says wins, then NO_COLOR, then FORCE_COLOR, then whether the stream is a terminal
 * that knows them.
 * Sources: no-color.org; Node's `tty.WriteStream.hasColors`.
 */
import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

export type Paint = (style: Style, text: string) => string;

export const COLOUR_MODES = ["auto", "always", "never"] as const;

let mode: string = "auto";

/** Decides for every stream of this process: one of COLOUR_MODES. */
export function chooseColour(chosen: string): void {
  mode = chosen;
}

/** The function that paints text for `stream`, or leaves it as it is. */
export function paintFor(stream: NodeJS.WriteStream, environment: NodeJS.ProcessEnv = process.env): Paint {
  return wantsColour(stream, environment)
    ? (style, text) => styleText(style, text, { validateStream: false })
    : (_style, text) => text;
}

function wantsColour(stream: NodeJS.WriteStream, environment: NodeJS.ProcessEnv): boolean {
  if (mode !== "auto") return mode === "always";
  if (environment["NO_COLOR"]) return false;
  const force = environment["FORCE_COLOR"];
  if (force !== undefined && force !== "") return force !== "0" && force !== "false";
  return stream.isTTY === true && environment["TERM"] !== "dumb";
}
