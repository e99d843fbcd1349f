/**
 * The connection to BuildKit: standard input and output as one stream, on which this process is the HTTP/2 client.
 *
 * BuildKit gives a frontend ten seconds for the first bytes of HTTP/2, and on a busy machine Node may need longer to start.
 * So the launcher (launcher/launcher.c) says them: the client's preface and an empty SETTINGS frame. What node:http2 would
 * say again is taken out here: its own preface on the way out, and on the way in the acknowledgement of the launcher's
 * SETTINGS, which it never sent. Its own SETTINGS frame follows as a second one, which the protocol allows at any time.
 *
 * Source: RFC 9113, 3.4 (connection preface), 4.1 (frame format), 6.5 (SETTINGS).
 */
import { Socket } from "node:net";
import { Duplex } from "node:stream";

/** "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": 24 bytes. */
const PREFACE_LENGTH = 24;
const FRAME_HEADER = 9;
const SETTINGS = 4;
const ACK = 1;

/** Standard input and output. */
export function standardStreams(): Duplex {
  return joined(
    new Socket({ fd: 0, readable: true, writable: false }),
    new Socket({ fd: 1, readable: false, writable: true }),
  );
}

/** One stream of two. */
function joined(input: Socket, output: Socket): Duplex {
  const duplex = new Duplex({
    read: () => {
      input.resume();
    },
    write: (chunk: Buffer, _encoding, done) => {
      output.write(chunk, done);
    },
    final: (done) => {
      output.end(done);
    },
  });
  input.on("data", (chunk) => {
    if (!duplex.push(chunk)) input.pause();
  });
  input.on("end", () => duplex.push(null));
  for (const stream of [input, output]) stream.on("error", (error) => duplex.destroy(error));
  return duplex;
}

/** The stream without what the launcher has said already, and without the answer to it. */
export function afterLauncher(stream: Duplex): Duplex {
  let toSkip = PREFACE_LENGTH;
  const incoming = withoutFirstAcknowledgement();
  const duplex = new Duplex({
    read: () => {
      stream.resume();
    },
    write: (chunk: Buffer, _encoding, done) => {
      const rest = chunk.subarray(Math.min(toSkip, chunk.length));
      toSkip -= chunk.length - rest.length;
      if (rest.length === 0) done();
      else stream.write(rest, done);
    },
    final: (done) => {
      stream.end(done);
    },
  });
  stream.on("data", (chunk: Buffer) => {
    const rest = incoming(chunk);
    if (rest.length > 0 && !duplex.push(rest)) stream.pause();
  });
  stream.on("end", () => duplex.push(null));
  stream.on("error", (error) => duplex.destroy(error));
  return duplex;
}

/** Passes frames on, except for the first acknowledgement of SETTINGS; behind that it only hands chunks through. */
function withoutFirstAcknowledgement(): (chunk: Buffer) => Buffer {
  let held: Buffer = Buffer.alloc(0);
  let isDone = false;
  return (chunk) => {
    if (isDone) return chunk;
    held = Buffer.concat([held, chunk]);
    const frames: Buffer[] = [];
    while (held.length >= FRAME_HEADER) {
      const end = FRAME_HEADER + held.readUIntBE(0, 3);
      if (held.length < end) break;
      const frame = held.subarray(0, end);
      held = held.subarray(end);
      if (frame[3] === SETTINGS && ((frame[4] as number) & ACK) !== 0) {
        isDone = true;
        frames.push(held);
        break;
      }
      frames.push(frame);
    }
    return Buffer.concat(frames);
  };
}
