/** The HTTP/2 client frame by frame. That Node's own server understands it, build.test.ts shows. */
import { describe, expect, it } from "vitest";
import { headerBlock } from "../../../packages/buildkit-frontend/src/hpack.ts";
import { Http2Client } from "../../../packages/buildkit-frontend/src/http2.ts";
import type { Connection } from "../../../packages/buildkit-frontend/src/pipes.ts";

const frame = (kind: number, flags: number, id: number, payload: Uint8Array = Buffer.alloc(0)): Buffer => {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header.set([kind, flags], 3);
  header.writeUInt32BE(id, 5);
  return Buffer.concat([header, payload]);
};
const uint32 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => {
    bytes.writeUInt32BE(value, 4 * index);
  });
  return bytes;
};
const setting = (number: number, value: number): Buffer => Buffer.concat([Buffer.of(0, number), uint32(value)]);
const OK = headerBlock([["grpc-status", "0"]]);

interface Frame {
  readonly kind: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

/** Gives chunks, one a read, and keeps what is written as frames. */
class Scripted implements Connection {
  readonly #chunks: Buffer[];
  #written = Buffer.alloc(0);
  constructor(chunks: readonly Buffer[]) {
    this.#chunks = [...chunks];
  }
  read = (): Uint8Array => this.#chunks.shift() ?? Buffer.alloc(0);
  write = (bytes: Uint8Array): void => {
    this.#written = Buffer.concat([this.#written, bytes]);
  };
  get frames(): Frame[] {
    const frames: Frame[] = [];
    for (let at = 0; at < this.#written.length; ) {
      const end = at + 9 + this.#written.readUIntBE(at, 3);
      const [kind = 0, flags = 0] = this.#written.subarray(at + 3);
      frames.push({
        kind,
        flags,
        id: this.#written.readUInt32BE(at + 5),
        payload: this.#written.subarray(at + 9, end),
      });
      at = end;
    }
    return frames;
  }
}

/** One request of `size` bytes over a connection that is open already. */
async function ask(chunks: readonly Buffer[], size = 1) {
  const connection = new Scripted(chunks);
  const client = new Http2Client(connection, true);
  const answer = await client.request([[":path", "/x"]], Buffer.alloc(size, "b"));
  return { answer, connection, client };
}

describe("the HTTP/2 client", () => {
  it("reads an answer however it is cut: padding, priorities, continued headers, one byte at a time", async () => {
    const padded = Buffer.concat([Buffer.of(3), Buffer.from("body"), Buffer.alloc(3)]);
    const withPriority = Buffer.concat([Buffer.alloc(5), OK.subarray(0, 4)]);
    const bytes = Buffer.concat([
      frame(4, 0, 0),
      frame(1, 4, 1, headerBlock([[":status", "200"]])),
      frame(0, 8, 1, padded),
      frame(99, 0, 1, Buffer.from("of a later version")),
      frame(0, 0, 7, Buffer.from("of a stream that is gone")),
      frame(1, 1 | 0x20, 1, withPriority),
      frame(9, 0, 1, OK.subarray(4, 6)),
      frame(9, 4, 1, OK.subarray(6)),
    ]);
    for (const chunks of [[bytes], Array.from(bytes, (byte) => Buffer.of(byte))]) {
      const { answer, connection } = await ask(chunks);
      expect(answer.body.toString()).toBe("body");
      expect(Object.fromEntries(answer.headers)).toEqual({ ":status": "200", "grpc-status": "0" });
      // Ours: SETTINGS, WINDOW_UPDATE, HEADERS, DATA, the acknowledgement.
      expect(connection.frames.map(({ kind, flags }) => [kind, flags])).toEqual([
        [4, 0],
        [8, 0],
        [1, 4],
        [0, 1],
        [4, 1],
      ]);
    }
  });

  it("sends no more than the windows and the size of frames allow, and the rest when they are opened", async () => {
    const { connection } = await ask(
      [
        frame(4, 0, 0, setting(4, 70_000)),
        frame(8, 0, 0, uint32(10_000)),
        frame(4, 0, 0, setting(5, 32_768)),
        Buffer.concat([frame(8, 0, 0, uint32(60_000)), frame(8, 0, 1, uint32(60_000))]),
        frame(1, 5, 1, OK),
      ],
      100_000,
    );
    const data = connection.frames.filter(({ kind }) => kind === 0);
    const sizes = data.map(({ payload }) => payload.length);
    // The connection's window; then the stream's, which SETTINGS widen; then both, in larger frames.
    expect(sizes).toEqual([16_384, 16_384, 16_384, 16_383, 4_465, 30_000]);
    expect(data.map(({ flags }) => flags)).toEqual([0, 0, 0, 0, 0, 1]);
    expect(Buffer.concat(data.map(({ payload }) => payload))).toEqual(Buffer.alloc(100_000, "b"));
  });

  it("answers a ping, and has several requests under way at once", async () => {
    const connection = new Scripted([
      frame(6, 0, 0, Buffer.from("12345678")),
      Buffer.concat([frame(1, 4, 3, OK), frame(0, 1, 3, Buffer.from("second")), frame(1, 4, 1, OK)]),
      frame(0, 1, 1, Buffer.from("first")),
    ]);
    const client = new Http2Client(connection, true);
    const answers = await Promise.all([1, 2].map(() => client.request([], Buffer.of(0))));
    expect(answers.map(({ body }) => body.toString())).toEqual(["first", "second"]);
    expect(connection.frames.find(({ kind, flags }) => kind === 6 && flags === 1)?.payload.toString()).toBe("12345678");
  });

  it.for([
    ["the end of the stream", []],
    ["the end within a frame", [frame(0, 1, 1, Buffer.from("x")).subarray(0, 9)]],
    ["a request broken off", [frame(3, 0, 1, uint32(8))]],
    ["a farewell before the request", [frame(7, 0, 0, uint32(0, 2))]],
    ["a frame that is too large", [frame(0, 0, 1, Buffer.alloc(16_385))]],
    ["headers interrupted", [Buffer.concat([frame(1, 0, 1, OK), frame(6, 0, 0, Buffer.alloc(8))])]],
    ["headers continued that were not begun", [frame(9, 4, 1, OK)]],
    ["a push", [frame(5, 4, 1, uint32(2))]],
    ["headers that are none", [frame(1, 5, 1, Buffer.of(0x80))]],
    ["settings that end too early", [frame(4, 0, 0, Buffer.of(0, 4, 0))]],
  ] as const)("tells whoever waits of %s", async ([, chunks]) => {
    await expect(ask(chunks)).rejects.toMatchObject({ name: "ConnectionLost" });
  });

  it("takes no further request when the connection is broken or ended, but finishes those that it was given", async () => {
    const { client, answer } = await ask([Buffer.concat([frame(7, 0, 0, uint32(1, 0)), frame(1, 5, 1, OK)])]);
    expect(answer.headers.get("grpc-status")).toBe("0");
    await expect(client.request([], Buffer.of(0))).rejects.toThrow("wants no more requests");
    const broken: Connection = {
      read: () => Buffer.alloc(0),
      write: () => {
        throw Object.assign(new Error("EPIPE: broken pipe"), { code: "EPIPE" });
      },
    };
    await expect(new Http2Client(broken, true).request([], Buffer.of(0))).rejects.toThrow("EPIPE");
  });
});
