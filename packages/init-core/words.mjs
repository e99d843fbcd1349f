// Packs src/words.txt, all that the init says, into src/words-packed.h. src/words.c unpacks it, and says how it works:
// what follows is the same model, run by an encoder.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const PERSONALITIES = ["initwrap", "tini", "dumb-init", "catatonit"];
const LEVELS_OF_TINI = ["FATAL", "WARN ", "INFO ", "DEBUG", "TRACE"];

function prefix(personality, level) {
  if (personality === "tini") return `[${LEVELS_OF_TINI[level]} tini (%i)] `;
  if (personality === "dumb-init") return "[dumb-init] ";
  if (personality === "catatonit") return `${level === 0 ? "ERROR" : "DEBUG"} (catatonit:%i): `;
  return "initwrap: ";
}

/** The text of words.txt -> the names of the rows with the number of their first text, and the texts in their order. */
function parseWords(source) {
  const lines = source.split("\n");
  const rows = [];
  const texts = [];
  let kind;
  let next = 0;
  const block = () => {
    let text = "";
    for (let line = lines.shift(); line !== ">>>"; line = lines.shift()) {
      if (line === undefined) throw new Error("words.txt: a <<< without its >>>");
      text += line.endsWith("\\") ? line.slice(0, -1) : `${line}\n`;
    }
    return text;
  };
  while (lines.length > 0) {
    const line = lines.shift();
    if (line === "" || line.startsWith("#")) continue;
    if (/^[A-Z_]+$/.test(line)) {
      while (texts.length % PERSONALITIES.length !== 0) texts.push(kind === "numbers" ? texts[next] : "");
      rows.push([line, texts.length / PERSONALITIES.length]);
      next = texts.length;
      kind = "personalities";
    } else if (line === "list" || line === "numbers") {
      kind = line;
    } else if (kind === "list") {
      texts.push(`0${line === "<<<" ? block() : `${line}\n`}`);
    } else if (kind === "numbers") {
      const [, number, text] = /^(\d+) (.*)$/.exec(line);
      while (texts.length < next + Number(number)) texts.push(texts[next] ?? "");
      texts.push(text);
    } else {
      const [, who, digit, rest] = /^(\S+) (\d) (.*)$/.exec(line);
      const text = rest === "<<<" ? block() : undefined;
      while (texts.length < next + PERSONALITIES.length) texts.push("");
      for (const [i, personality] of PERSONALITIES.entries()) {
        if (who !== "any" && who !== personality) continue;
        const level = personality === "tini" || text !== undefined ? Number(digit) : Math.min(Number(digit), 1);
        texts[next + i] = level + (text ?? `${prefix(personality, level)}${rest}\n`);
      }
    }
  }
  return { rows, texts };
}

/** Constants of the model. */
const MODEL = {
  slots: 17,
  contexts: 5,
  weight: 6,
  learning: 8,
  least: 8,
  // Two counts fit into a byte.
  logs: Array.from({ length: 16 }, (_, i) => Math.round(16 * Math.log2((i + 0.01) / 0.01))),
};

/** The bytes, packed. */
function pack(bytes) {
  const { slots, contexts, weight, learning, least, logs } = MODEL;
  const counts = [new Uint8Array(1 << slots), new Uint8Array(1 << slots)];
  const weights = new Int32Array(contexts).fill(weight << 14);
  const seen = new Int32Array(contexts);
  const votes = new Int32Array(contexts);
  let low = 0n;
  let range = 0xffffffff;
  let shifts = 0;
  let last = 0;
  let word = 0;
  for (const byte of bytes) {
    let node = 1;
    for (let i = 7; i >= 0; i--) {
      while (range < 1 << 24) {
        range = range * 256 + 255;
        low <<= 8n;
        shifts++;
      }
      let sum = 0;
      let mask = 0;
      for (let k = 0; k < contexts; k++) {
        const context = k < contexts - 1 ? last & mask : word;
        const hash = Math.imul(Math.imul(context + k, 0x2f0b4c47) ^ node, 0x9e3779b1) >>> (32 - slots);
        seen[k] = hash;
        votes[k] = logs[counts[1][hash]] - logs[counts[0][hash]];
        sum += votes[k] * weights[k];
        mask = (mask << 8) | 255;
      }
      if (Math.abs(sum) >= 2 ** 31) throw new Error("the votes need more than 32 bits");
      sum >>= 14;
      const size = Math.abs(sum) >> 5;
      if (size >> 4 > 31) throw new Error("a shift of more than 31 bits means something else on each machine");
      const rare = ((32 - (size & 15)) << 10) >> (size >> 4);
      const chance = Math.floor((rare * (65536 - rare)) / 65536) + least;
      const bit = (byte >> i) & 1;
      const likely = sum > 0 ? 1 : 0;
      const bound = (range >>> 15) * chance;
      if (bit !== likely) {
        range = bound - 1;
      } else {
        low += BigInt(bound);
        range -= bound;
      }
      const error = bit === likely ? chance : chance - 32768;
      for (let k = 0; k < contexts; k++) {
        weights[k] += ((likely ? error : -error) * votes[k]) >> learning;
      }
      for (const hash of seen) {
        if (counts[bit][hash] < logs.length - 1) counts[bit][hash]++;
        if (counts[1 - bit][hash] > 1) counts[1 - bit][hash] >>= 1;
      }
      node = node * 2 + bit;
    }
    last = (last << 8) | byte;
    word = byte > 64 ? Math.imul(word + byte, 0x2f0b4c47) : 0;
  }
  // Any number from low to low + range will do. One with zeros at its end packs best in the layer.
  let zeros = 0n;
  while (((low + (1n << zeros) - 1n) >> zeros) << zeros <= low + BigInt(range)) zeros++;
  zeros--;
  const code = ((low + (1n << zeros) - 1n) >> zeros) << zeros;
  const hex = code.toString(16).padStart((4 + shifts) * 2, "0");
  return Buffer.from(hex, "hex");
}

const table = (values) =>
  Array.from(values, String)
    .join(", ")
    .replace(/(.{1,110}(?:, |$))/g, "\t$1\n")
    .replaceAll(" \n", "\n");

/** What the C sources include: name of the file -> its content. */
export function wordsHeaders(version) {
  const { rows, texts } = parseWords(
    readFileSync(join(root, "src/words.txt"), "utf8").replaceAll("@VERSION@", version),
  );
  const bytes = Buffer.from(texts.map((text) => `${text}\0`).join(""));
  const of = (name) => rows.find(([row]) => row === name)[1] * PERSONALITIES.length;
  const problems = texts.slice(of("PROBLEMS"), of("PROBLEMS") + 8);
  const head = "/* Made of words.txt by ../words.mjs. */\n";
  return {
    "words-rows.h": `${head}enum row {
${rows.map(([name, row]) => `\tROW_${name} = ${row}`).join(",\n")}
};

enum {
\tWORDS_PERSONALITIES = ${PERSONALITIES.length},
\tWORDS_ERRORS = ${rows[rows.findIndex(([name]) => name === "ERRORS") + 1][1] * PERSONALITIES.length - of("ERRORS")},
\tWORDS_TEXTS = ${texts.length},
\tWORDS_SIZE = ${bytes.length},
\tWORDS_TOLD_SIZE = ${Buffer.byteLength(texts.slice(0, of("HELP")).join("\0")) + 1}
};
`,
    "words-problems.h": `${head}static const char *const problems[] = {
${problems.map((text) => `\t${JSON.stringify(text)}`).join(",\n")}
};
`,
    "words-packed.h": `${head}enum {
\tWORDS_SLOTS_LOG = ${MODEL.slots},
\tWORDS_CONTEXTS = ${MODEL.contexts},
\tWORDS_WEIGHT = ${MODEL.weight},
\tWORDS_LEARNING = ${MODEL.learning},
\tWORDS_LEAST = ${MODEL.least}
};

static const uint8_t words_logs[] = {
${table(MODEL.logs)}};

static const uint8_t words_packed[] = {
${table(pack(bytes))}};
`,
  };
}

// node words.mjs renews them.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  for (const [name, text] of Object.entries(wordsHeaders(version))) writeFileSync(join(root, "src", name), text);
}
