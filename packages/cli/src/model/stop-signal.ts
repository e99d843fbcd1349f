/** What an image's stop signal means, as far as its name tells it. Source: signal(7). */

/** SIGKILL or SIGSTOP, however it is written (`SIGKILL`, `kill`, `9`): no process can handle them. Undefined for any other. */
export function unhandledSignal(text: string): "SIGKILL" | "SIGSTOP" | undefined {
  if (/^(?:(?:SIG)?KILL|9)$/i.test(text)) return "SIGKILL";
  if (/^(?:(?:SIG)?STOP|19)$/i.test(text)) return "SIGSTOP";
  return undefined;
}
