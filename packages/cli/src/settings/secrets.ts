/** What must not be printed, though it was set: passwords and tokens, by the names that they have and by their looks. */

const HIDDEN = "***";

/** `NAME=value` where the name says what it is. */
const NAMED =
  /([\w.-]*(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|auth)[\w.-]*)(=|:\s?)(["']?)([^\s"',]+)/gi;

/** `scheme://user:password@host`. */
const IN_ADDRESS = /(\/\/)[^\s/@]+@/g;

/** The prefixes that services put in front of their tokens, a JSON web token, and a private key. */
const KNOWN =
  /\b(?:gh[oprsu]_\w{16,}|github_pat_\w{16,}|gl[a-z]{2,4}-[\w-]{16,}|(?:AKIA|ASIA)[0-9A-Z]{16}|xox[abeoprs]-[\w-]{10,}|npm_\w{20,}|dckr_[a-z]+_[\w-]{16,}|sk-[\w-]{16,}|eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?)|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*/g;

/** The text with all of these replaced. */
export function withoutSecrets(text: string): string {
  return text
    .replace(KNOWN, HIDDEN)
    .replace(IN_ADDRESS, `$1${HIDDEN}@`)
    .replace(NAMED, (_, name: string, sign: string, quote: string) => `${name}${sign}${quote}${HIDDEN}`);
}
