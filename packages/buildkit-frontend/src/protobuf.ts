/**
 * Protocol buffers' wire format, as far as BuildKit's messages need it: varints and length-delimited fields, and the reader
 * skips what has a fixed length. A message that is passed on keeps its unknown fields, for it is held as a list of fields.
 *
 * Source: protobuf.dev, "Encoding".
 */

/** One field as it is on the wire: a varint, or bytes (a string, an embedded message). */
export type Field =
  | { readonly number: number; readonly kind: "varint"; readonly value: bigint }
  | { readonly number: number; readonly kind: "bytes"; readonly value: Uint8Array }
  | { readonly number: number; readonly kind: "fixed32" | "fixed64"; readonly value: Uint8Array };

export type Message = readonly Field[];

/** Reads a message. Throws RangeError for bytes that end too early or use groups, which proto3 does not have. */
export function decode(bytes: Uint8Array): Message {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new RangeError("a message ends inside a number");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new RangeError("a number is longer than ten bytes");
  };
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - at) throw new RangeError("a message ends inside a field");
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const number = Math.floor(tag / 8);
    switch (tag & 7) {
      case 0:
        fields.push({ number, kind: "varint", value: varint() });
        break;
      case 1:
        fields.push({ number, kind: "fixed64", value: take(8) });
        break;
      case 2:
        fields.push({ number, kind: "bytes", value: take(Number(varint())) });
        break;
      case 5:
        fields.push({ number, kind: "fixed32", value: take(4) });
        break;
      default:
        throw new RangeError(`field ${number} is of wire type ${tag & 7}`);
    }
  }
  return fields;
}

const WIRE_TYPE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** Writes a message, its fields in the order given. */
export function encode(fields: Message): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const field of fields) {
    parts.push(varintBytes((BigInt(field.number) << 3n) | BigInt(WIRE_TYPE[field.kind])));
    if (field.kind === "varint") {
      parts.push(varintBytes(field.value));
      continue;
    }
    if (field.kind === "bytes") parts.push(varintBytes(BigInt(field.value.length)));
    parts.push(field.value);
  }
  return Buffer.concat(parts);
}

function varintBytes(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

/** A number, also a negative one (int32, int64) or a boolean. */
export function numberField(number: number, value: number | bigint | boolean): Field {
  return { number, kind: "varint", value: BigInt(value) };
}

export function textField(number: number, text: string): Field {
  return { number, kind: "bytes", value: Buffer.from(text) };
}

export function bytesField(number: number, value: Uint8Array): Field {
  return { number, kind: "bytes", value };
}

export function messageField(number: number, message: Message): Field {
  return { number, kind: "bytes", value: encode(message) };
}

/** A map's entries: messages of a key (1) and a value (2). */
export function mapFields(number: number, entries: Iterable<readonly [string, string | Uint8Array]>): Field[] {
  return Array.from(entries, ([key, value]) =>
    messageField(number, [textField(1, key), { number: 2, kind: "bytes", value: Buffer.from(value as string) }]),
  );
}

/** The last value of a field with bytes, as readers of proto3 take it; undefined where there is none. */
export function bytesOf(message: Message, number: number): Uint8Array | undefined {
  const field = message.findLast((one) => one.number === number && one.kind === "bytes");
  return field?.kind === "bytes" ? field.value : undefined;
}

/** Every value of a repeated field. */
export function allBytesOf(message: Message, number: number): Uint8Array[] {
  return message.flatMap((one) => (one.number === number && one.kind === "bytes" ? [one.value] : []));
}

/** A string field; empty where there is none, as in proto3. */
export function textOf(message: Message, number: number): string {
  return Buffer.from(bytesOf(message, number) ?? []).toString();
}

export function numberOf(message: Message, number: number): bigint {
  const field = message.findLast((one) => one.number === number && one.kind === "varint");
  return field?.kind === "varint" ? field.value : 0n;
}

/** A map with values of bytes: strings and messages too. */
export function mapOf(message: Message, number: number): Map<string, Uint8Array> {
  const map = new Map<string, Uint8Array>();
  for (const bytes of allBytesOf(message, number)) {
    const entry = decode(bytes);
    map.set(textOf(entry, 1), bytesOf(entry, 2) ?? new Uint8Array());
  }
  return map;
}
