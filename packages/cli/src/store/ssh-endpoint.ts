/** `ssh://USER@HOST:PORT/SOCKET`: an engine on another machine, reached by the ssh program. */
import { InitwrapError } from "../model/errors.ts";

/** Where ssh goes to, and what it runs there. */
export interface SshEndpoint {
  readonly kind: "ssh";
  readonly host: string;
  readonly user?: string;
  readonly port?: number;
  /** A private key's path; ssh's own choice when absent. */
  readonly identity?: string;
  /** The program there that talks to the engine: `docker` or `podman`, with the socket it should use where one is named. */
  readonly program: "docker" | "podman";
  readonly socket?: string;
}

/** Reads `ssh://[USER@]HOST[:PORT][/SOCKET]`. Throws LOCATOR_INVALID. */
export function parseSshEndpoint(text: string, program: SshEndpoint["program"]): SshEndpoint {
  // Nothing of it may be read as an option by ssh, or as more than a word by the shell there.
  const match = /^ssh:\/\/(?:(\w[\w.-]*)@)?(\w[\w.-]*|\[[0-9a-fA-F:]+\])(?::(\d{1,5}))?(?:\/|(\/[\w./-]+))?$/.exec(
    text,
  );
  if (!match) {
    throw new InitwrapError("LOCATOR_INVALID", `not an engine behind ssh: ${text}`, {
      hint: "Write it as ssh://USER@HOST:PORT; a password or a command has no place in it.",
    });
  }
  const [, user, host, port, socket] = match;
  return {
    kind: "ssh",
    host: host!.replace(/^\[|\]$/g, ""),
    program,
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port: Number(port) }),
    ...(socket === undefined ? {} : { socket }),
  };
}

/** The endpoint as people write it. */
export function formatSshEndpoint({ user, host, port, socket }: SshEndpoint): string {
  const name = host.includes(":") ? `[${host}]` : host;
  return `ssh://${user === undefined ? "" : `${user}@`}${name}${port === undefined ? "" : `:${port}`}${socket ?? ""}`;
}
