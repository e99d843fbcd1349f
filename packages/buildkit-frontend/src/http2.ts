/**
 * The client's side of one HTTP/2 connection, for requests of one body and answers that are read as a whole.
 *
 * Node's own implementation takes longer to load than all the rest of this program takes to run, and every build waits for that.
 * What gRPC needs is little: a few kinds of frames, the windows of what is sent, and headers (hpack.ts). Several requests may be
 * under way at once. Whatever waits is served by `#turn`: write what the windows allow, wait for bytes, act on their frames.
 *
 * BuildKit gives a frontend ten seconds for the first bytes of the connection, and on a busy machine Node may need longer to
 * start. So the launcher (launcher/launcher.c) says them: the preface and an empty SETTINGS frame. Ours follows as a second one,
 * which the protocol allows at any time.
 *
 * Source: RFC 9113, 3.4 (preface), 4 (frames), 5 (streams, flow control), 6 (kinds of frames).
 */
import { type Header, HeaderReader, headerBlock } from "./hpack.ts";
import type { Connection } from "./pipes.ts";

/** The connection ended, or what came was not HTTP/2, before an answer was complete. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

export interface Answer {
  /** The headers and trailers, the later of a name's. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEADER = 9;
/** The size of a frame's payload until other SETTINGS say more; we say nothing else. */
const FRAME_SIZE = 16_384;
const WINDOW = 65_535;
const MAX_WINDOW = 2 ** 31 - 1;

const FRAME = {
  data: 0,
  headers: 1,
  resetStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
const FLAG = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const;
const SETTING = { enablePush: 2, initialWindowSize: 4, maxFrameSize: 5 } as const;

interface Stream {
  /** What is still to be sent of the body. */
  rest: Uint8Array;
  /** Bytes that may be sent. */
  window: number;
  readonly headers: Map<string, string>;
  readonly chunks: Uint8Array[];
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: ConnectionLost) => void;
}

export class Http2Client {
  readonly #connection: Connection;
  readonly #headers = new HeaderReader();
  readonly #streams = new Map<number, Stream>();
  #nextStream = 1;
  #window = WINDOW;
  #streamWindow = WINDOW;
  #frameSize = FRAME_SIZE;
  #input: Buffer = Buffer.alloc(0);
  /** A header block of which more is to come, in CONTINUATION frames. */
  #block: { readonly id: number; readonly ends: boolean; readonly parts: Uint8Array[] } | undefined;
  #isWaiting = false;
  #broken: ConnectionLost | undefined;

  /** `isOpened`: the preface has been sent. */
  constructor(connection: Connection, isOpened: boolean) {
    this.#connection = connection;
    const settings = Buffer.alloc(12);
    settings.writeUInt16BE(SETTING.enablePush, 0);
    settings.writeUInt16BE(SETTING.initialWindowSize, 6);
    settings.writeUInt32BE(MAX_WINDOW, 8);
    this.#write([
      isOpened ? Buffer.alloc(0) : Buffer.from(PREFACE),
      frame(FRAME.settings, 0, 0, settings),
      frame(FRAME.windowUpdate, 0, 0, uint32(MAX_WINDOW - WINDOW)),
    ]);
  }

  /** Sends a request and resolves with its answer. Rejects with ConnectionLost. */
  request(headers: readonly Header[], body: Uint8Array): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#broken) return reject(this.#broken);
      const id = this.#nextStream;
      this.#nextStream += 2;
      this.#streams.set(id, {
        rest: body,
        window: this.#streamWindow,
        headers: new Map(),
        chunks: [],
        resolve,
        reject,
      });
      this.#write([frame(FRAME.headers, FLAG.endHeaders, id, headerBlock(headers))]);
      this.#send();
      this.#wait();
    });
  }

  /** Writes what the windows allow of each body. */
  #send(): void {
    for (const [id, stream] of this.#streams) {
      let isLast = stream.rest.length === 0;
      while (!isLast) {
        const size = Math.min(stream.rest.length, this.#window, stream.window, this.#frameSize);
        if (size <= 0) break;
        const part = stream.rest.subarray(0, size);
        stream.rest = stream.rest.subarray(size);
        stream.window -= size;
        this.#window -= size;
        isLast = stream.rest.length === 0;
        this.#write([frame(FRAME.data, isLast ? FLAG.endStream : 0, id, part)]);
      }
    }
  }

  #wait(): void {
    if (this.#isWaiting || this.#streams.size === 0) return;
    this.#isWaiting = true;
    // Other requests of this moment are written first.
    setImmediate(() => {
      this.#isWaiting = false;
      this.#turn();
      this.#wait();
    });
  }

  #turn(): void {
    try {
      const bytes = this.#connection.read();
      if (bytes.length === 0) throw new ConnectionLost("it ended before the answer");
      this.#input = this.#input.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#input, bytes]);
      while (this.#takeFrame());
      this.#send();
    } catch (cause) {
      this.#break(cause as Error);
    }
  }

  /** Acts on the first frame that has come whole; false when there is none. */
  #takeFrame(): boolean {
    const input = this.#input;
    if (input.length < FRAME_HEADER) return false;
    const size = input.readUIntBE(0, 3);
    if (size > FRAME_SIZE) throw new ConnectionLost(`it sent a frame of ${size} bytes`);
    const end = FRAME_HEADER + size;
    if (input.length < end) return false;
    this.#input = input.subarray(end);
    this.#act(input[3] as number, input[4] as number, input.readUInt32BE(5) & MAX_WINDOW, input.subarray(9, end));
    return true;
  }

  #act(kind: number, flags: number, id: number, payload: Buffer): void {
    const stream = this.#streams.get(id);
    if (this.#block !== undefined && kind !== FRAME.continuation) throw new ConnectionLost("it interrupted headers");
    switch (kind) {
      case FRAME.data:
        // The windows that we gave are never used up.
        stream?.chunks.push(unpadded(payload, flags));
        if (flags & FLAG.endStream) this.#finish(id);
        break;
      case FRAME.headers: {
        const block = unpadded(payload, flags).subarray(flags & FLAG.priority ? 5 : 0);
        this.#block = { id, ends: (flags & FLAG.endStream) !== 0, parts: [block] };
        if (flags & FLAG.endHeaders) this.#takeHeaders();
        break;
      }
      case FRAME.continuation:
        if (this.#block?.id !== id) throw new ConnectionLost("it continued headers that it had not begun");
        this.#block.parts.push(payload);
        if (flags & FLAG.endHeaders) this.#takeHeaders();
        break;
      case FRAME.resetStream:
        this.#streams.delete(id);
        stream?.reject(new ConnectionLost(`it broke the request off (${payload.readUInt32BE(0)})`));
        break;
      case FRAME.settings:
        if (flags & FLAG.ack) break;
        for (let at = 0; at < payload.length; at += 6)
          this.#set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
        this.#write([frame(FRAME.settings, FLAG.ack, 0)]);
        break;
      case FRAME.ping:
        if (!(flags & FLAG.ack)) this.#write([frame(FRAME.ping, FLAG.ack, 0, payload)]);
        break;
      case FRAME.goAway:
        this.#goAway(payload.readUInt32BE(0) & MAX_WINDOW, payload.readUInt32BE(4));
        break;
      case FRAME.windowUpdate: {
        const more = payload.readUInt32BE(0) & MAX_WINDOW;
        if (id === 0) this.#window += more;
        else if (stream) stream.window += more;
        break;
      }
      case FRAME.pushPromise:
        throw new ConnectionLost("it sent what nobody asked for");
      default:
      // Kinds that are not known are passed over (5.5).
    }
  }

  #takeHeaders(): void {
    const { id, ends, parts } = this.#block!;
    this.#block = undefined;
    // Also of a stream that is gone: the table is the connection's.
    const headers = this.#headers.read(Buffer.concat(parts));
    const stream = this.#streams.get(id);
    for (const [name, value] of headers) stream?.headers.set(name, value);
    if (ends) this.#finish(id);
  }

  #set(setting: number, value: number): void {
    if (setting === SETTING.maxFrameSize) this.#frameSize = value;
    if (setting !== SETTING.initialWindowSize) return;
    for (const stream of this.#streams.values()) stream.window += value - this.#streamWindow;
    this.#streamWindow = value;
  }

  #finish(id: number): void {
    const stream = this.#streams.get(id);
    this.#streams.delete(id);
    stream?.resolve({ headers: stream.headers, body: Buffer.concat(stream.chunks) });
  }

  /** Streams above `last` were not looked at, and no more may be opened. */
  #goAway(last: number, code: number): void {
    this.#broken = new ConnectionLost(`it wants no more requests (${code})`);
    for (const [id, stream] of this.#streams) {
      if (id <= last) continue;
      this.#streams.delete(id);
      stream.reject(this.#broken);
    }
  }

  #break(cause: Error): void {
    this.#broken = cause instanceof ConnectionLost ? cause : new ConnectionLost(cause.message, { cause });
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const stream of streams) stream.reject(this.#broken);
  }

  #write(parts: readonly Uint8Array[]): void {
    try {
      this.#connection.write(Buffer.concat(parts));
    } catch (cause) {
      this.#break(cause as Error);
    }
  }
}

function frame(kind: number, flags: number, id: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = kind;
  bytes[4] = flags;
  bytes.writeUInt32BE(id, 5);
  bytes.set(payload, FRAME_HEADER);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** The payload between the length of its padding and the padding. */
function unpadded(payload: Buffer, flags: number): Buffer {
  if (!(flags & FLAG.padded)) return payload;
  return payload.subarray(1, payload.length - (payload[0] ?? 0));
}
