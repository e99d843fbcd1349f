/**
 * The memory in which the pieces of uploads wait, the same for one piece after the other. Memory of its own for each would lie
 * outside of V8's heap until V8 feels like collecting it, and four uploads of 80 MB would take all of 320 MB.
 */
export class PieceMemory {
  readonly #usual: number;
  readonly #free: Buffer[] = [];
  #large: Buffer | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  /** `usual`, in bytes, is a size of which several uploads may have some at a time. */
  constructor(usual: number) {
    this.#usual = usual;
  }

  /** Lends `size` bytes, or the usual number if that is more, until the work is done. Larger ones are lent to one at a time. */
  lend<T>(size: number, work: (memory: Buffer) => Promise<T>): Promise<T> {
    if (size <= this.#usual) return this.#lendUsual(work);
    const result = this.#turn.then(() => {
      if (!this.#large || this.#large.length < size) this.#large = Buffer.allocUnsafe(size);
      return work(this.#large.subarray(0, size));
    });
    this.#turn = result.catch(() => {});
    return result;
  }

  async #lendUsual<T>(work: (memory: Buffer) => Promise<T>): Promise<T> {
    const memory = this.#free.pop() ?? Buffer.allocUnsafe(this.#usual);
    try {
      return await work(memory);
    } finally {
      this.#free.push(memory);
    }
  }
}
