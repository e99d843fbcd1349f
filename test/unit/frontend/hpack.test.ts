/** Header blocks: the examples of RFC 7541, appendix C, and what it does not allow. */
import { describe, expect, it } from "vitest";
import { type Header, HeaderReader, headerBlock } from "../../../packages/buildkit-frontend/src/hpack.ts";

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ""), "hex");

describe("header blocks", () => {
  it("are read with static and dynamic entries, in plain text (C.3)", () => {
    const reader = new HeaderReader();
    const first: Header[] = [
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/"],
      [":authority", "www.example.com"],
    ];
    expect(reader.read(hex("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d"))).toEqual(first);
    expect(reader.read(hex("8286 84be 5808 6e6f 2d63 6163 6865"))).toEqual([...first, ["cache-control", "no-cache"]]);
    expect(reader.read(hex("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65"))).toEqual([
      [":method", "GET"],
      [":scheme", "https"],
      [":path", "/index.html"],
      [":authority", "www.example.com"],
      ["custom-key", "custom-value"],
    ]);
  });

  it("are read in Huffman's code, from a table whose entries are evicted (C.6)", () => {
    const reader = new HeaderReader();
    // The example's table has 256 bytes.
    const first = reader.read(
      hex(`3fe101 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e
           919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`),
    );
    const date: Header = ["date", "Mon, 21 Oct 2013 20:13:21 GMT"];
    const location: Header = ["location", "https://www.example.com"];
    expect(first).toEqual([[":status", "302"], ["cache-control", "private"], date, location]);
    const second = reader.read(hex("4883 640e ffc1 c0bf"));
    expect(second).toEqual([[":status", "307"], ["cache-control", "private"], date, location]);
    const third = reader.read(
      hex(`88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2
           e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`),
    );
    expect(third).toEqual([
      [":status", "200"],
      ["cache-control", "private"],
      ["date", "Mon, 21 Oct 2013 20:13:22 GMT"],
      location,
      ["content-encoding", "gzip"],
      ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
    ]);
    // Three entries are left; the fourth was evicted.
    expect(reader.read(hex("c0"))).toEqual([location.with(0, "date").with(1, "Mon, 21 Oct 2013 20:13:22 GMT")]);
    expect(() => reader.read(hex("c1"))).toThrow(RangeError);
  });

  it("are refused when they end too early, name no entry, or hold no code", () => {
    for (const block of [
      "41", // no value
      "0005 6162", // a name of five bytes that has two
      "80", // entry 0
      "be", // a dynamic entry of an empty table
      "3fff ffff ff0f", // a number that is too large
      "3fe2 1f", // a table larger than 4096 bytes
      "0084 ffff ffff 00", // 32 ones: no byte's code
      "0001 6182 1fff", // eight ones more than the padding of a byte
      "0001 6181 00", // five zeros are a code, three more no padding
    ]) {
      expect(() => new HeaderReader().read(hex(block)), block).toThrow(RangeError);
    }
  });

  it("are written so that they are read back", () => {
    const headers: Header[] = [
      [":path", "/moby.buildkit.v1.frontend.LLBBridge/Solve"],
      ["te", "trailers"],
    ];
    expect(new HeaderReader().read(headerBlock(headers))).toEqual(headers);
    expect(() => headerBlock([["x", "a".repeat(127)]])).toThrow(RangeError);
  });
});
