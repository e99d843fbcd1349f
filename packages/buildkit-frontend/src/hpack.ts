/**
 * HPACK, as far as a client of gRPC needs it: every form of header block is read, and what is written is never indexed.
 *
 * Source: RFC 7541. Its Huffman code is canonical (appendix B: codes of one length count upwards in the order of the symbols, and
 * go on from the shorter ones), so the lengths of the codes say all of it.
 */

export type Header = readonly [name: string, value: string];

/** Appendix A: names, and behind a space the value. Entry 1 comes first. */
const STATIC: readonly Header[] =
  `:authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https\
|:status 200|:status 204|:status 206|:status 304|:status 400|:status 404|:status 500|accept-charset\
|accept-encoding gzip, deflate|accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization\
|cache-control|content-disposition|content-encoding|content-language|content-length|content-location|content-range\
|content-type|cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range\
|if-unmodified-since|last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer\
|refresh|retry-after|server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate`
    .split("|")
    .map((entry) => {
      const [name = "", ...value] = entry.split(" ");
      return [name, value.join(" ")];
    });

/** An entry's size in the table: its bytes, and 32 more (4.1). */
const OVERHEAD = 32;
/** The table's size until the encoder says another, and the most that it may say: we announce no other. */
const TABLE_SIZE = 4096;

/** Reads the header blocks of one connection, in their order. */
export class HeaderReader {
  #dynamic: Header[] = [];
  #limit = TABLE_SIZE;

  /** Throws RangeError for a block that RFC 7541 does not allow. */
  read(block: Uint8Array): Header[] {
    const headers: Header[] = [];
    let at = 0;
    const next = (): number => {
      const byte = block[at++];
      if (byte === undefined) throw new RangeError("a header block ends too early");
      return byte;
    };
    /** An integer whose first `bits` bits are the low ones of `first` (5.1). */
    const integer = (first: number, bits: number): number => {
      const most = 2 ** bits - 1;
      let value = first & most;
      if (value < most) return value;
      for (let shift = 0; shift <= 21; shift += 7) {
        const byte = next();
        value += (byte & 0x7f) * 2 ** shift;
        if (byte < 0x80) return value;
      }
      throw new RangeError("a number in a header block is too large");
    };
    const text = (): string => {
      const first = next();
      const length = integer(first, 7);
      if (length > block.length - at) throw new RangeError("a header block ends too early");
      const bytes = block.subarray(at, at + length);
      at += length;
      return Buffer.from(first & 0x80 ? huffmanDecoded(bytes) : bytes).toString("latin1");
    };
    while (at < block.length) {
      const first = next();
      if (first & 0x80) headers.push(this.#entry(integer(first, 7)));
      else if ((first & 0xe0) === 0x20) this.#resize(integer(first, 5));
      else {
        const isIndexed = (first & 0x40) !== 0;
        const index = integer(first, isIndexed ? 6 : 4);
        const header: Header = [index === 0 ? text() : this.#entry(index)[0], text()];
        headers.push(header);
        if (isIndexed) this.#add(header);
      }
    }
    return headers;
  }

  #entry(index: number): Header {
    const entry = index > STATIC.length ? this.#dynamic[index - STATIC.length - 1] : STATIC[index - 1];
    if (entry === undefined) throw new RangeError(`a header block names entry ${index}, which is not there`);
    return entry;
  }

  #add(header: Header): void {
    this.#dynamic.unshift(header);
    this.#evict();
  }

  #resize(size: number): void {
    if (size > TABLE_SIZE) throw new RangeError("a header block asks for too large a table");
    this.#limit = size;
    this.#evict();
  }

  #evict(): void {
    let size = 0;
    const kept = this.#dynamic.findIndex(([name, value]) => {
      size += name.length + value.length + OVERHEAD;
      return size > this.#limit;
    });
    if (kept >= 0) this.#dynamic.length = kept;
  }
}

/** A header block of literals that go into no table. Names and values are ASCII of less than 127 bytes. */
export function headerBlock(headers: readonly Header[]): Buffer {
  const text = (value: string): Buffer => {
    if (value.length >= 0x7f) throw new RangeError(`the header value ${value} is too long`);
    return Buffer.concat([Buffer.of(value.length), Buffer.from(value, "latin1")]);
  };
  return Buffer.concat(headers.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]));
}

/** For each byte the length of its code in bits: `a` is 5, `z` is 30. */
const CODE_LENGTHS =
  "isxxxxxxxtzxxzxxxxxxxxzxxxxxxxxxbffhibdgffdgdbbbaaabbbbbbbcdkbhfibccccccccccccccccccccccdcdioijbkabababbbaccbbbabcb" +
  "aabccccckgjixprpprrrsrssssststtrstssssqrsrsstrqprrssqsrrtqrssqqrqsrssprrrsrrsvvporsruvvvwwvtuoqvwwvwtqqvvxwwwptpqr" +
  "qqsrruuttvsvwvvwwwwwxwwwwwv";
const SHORTEST = 5;
const LONGEST = 30;

interface CodesOfLength {
  readonly first: number;
  readonly symbols: readonly number[];
}
let huffman: readonly CodesOfLength[] | undefined;

/** The codes of each length: the first one's bits, and the bytes that it and its successors stand for. */
function huffmanCode(): readonly CodesOfLength[] {
  const lengths: CodesOfLength[] = [];
  let first = 0;
  for (let length = 0; length <= LONGEST; length++) {
    const letter = String.fromCharCode("a".charCodeAt(0) + length - SHORTEST);
    const symbols: number[] = [];
    for (let symbol = 0; symbol < CODE_LENGTHS.length; symbol++) {
      if (length >= SHORTEST && CODE_LENGTHS[symbol] === letter) symbols.push(symbol);
    }
    lengths.push({ first, symbols });
    first = (first + symbols.length) * 2;
  }
  return lengths;
}

function huffmanDecoded(bytes: Uint8Array): Uint8Array {
  huffman ??= huffmanCode();
  const decoded: number[] = [];
  let code = 0;
  let length = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = code * 2 + ((byte >> bit) & 1);
      length++;
      const { first, symbols } = huffman[length] ?? { first: 0, symbols: [] };
      const symbol = symbols[code - first];
      if (symbol === undefined) {
        if (length >= LONGEST) throw new RangeError("a header block has a code that stands for nothing");
        continue;
      }
      decoded.push(symbol);
      code = 0;
      length = 0;
    }
  }
  // The rest of the last byte is filled with ones (5.2).
  if (length > 7 || code !== 2 ** length - 1) throw new RangeError("a header block's padding is no padding");
  return Uint8Array.from(decoded);
}
