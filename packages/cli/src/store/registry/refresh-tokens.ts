/**
 * The refresh tokens (docker's "identity tokens") of one run. A token server may give a new one with each exchange and take the
 * old one no more. Then exchanges have to wait for each other; where the token stays, they need not.
 *
 * The new one is for this run: docker's files are only read. Source: RFC 6749, section 6; distribution, spec/auth/oauth.md.
 */
export class RefreshTokens {
  /** `REGISTRY TOKEN` -> what has taken its place. */
  readonly #current = new Map<string, Promise<string>>();
  /** Those that servers leave as they are. */
  readonly #lasting = new Set<string>();

  /** Exchanges `first`, the token from a file or helper, or what has taken its place. `exchange` gives the new one, if any. */
  async exchange<T extends { readonly refresh?: string }>(
    registry: string,
    first: string,
    exchange: (token: string) => Promise<T>,
  ): Promise<T> {
    const key = `${registry} ${first}`;
    if (this.#lasting.has(key)) return exchange(first);
    const before = this.#current.get(key) ?? Promise.resolve(first);
    const answer = before.then(exchange);
    const next = answer.then(
      async ({ refresh }) => {
        const held = await before;
        if (held === first && (refresh ?? held) === held) this.#lasting.add(key);
        return refresh ?? held;
      },
      // The failure is the caller's; the next one asks with the same token.
      () => before,
    );
    this.#current.set(key, next);
    return answer;
  }
}
