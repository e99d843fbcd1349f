/**
 * BuildKit's side of a build, as a frontend sees it: the calls that are needed, and the parts of their messages that are.
 *
 * A result is kept as the fields that came, so that whatever is not ours (attestations, fields of later versions) goes back
 * as it was.
 *
 * Source: github.com/moby/buildkit, frontend/gateway/pb/gateway.proto; capabilities: frontend/gateway/pb/caps.go and
 * solver/pb/caps.go.
 */
import type { GrpcClient } from "./grpc.ts";
import {
  allBytesOf,
  bytesField,
  bytesOf,
  decode,
  encode,
  type Field,
  type Message,
  mapFields,
  mapOf,
  messageField,
  numberField,
  numberOf,
  textField,
  textOf,
} from "./protobuf.ts";

export const SERVICE = "moby.buildkit.v1.frontend.LLBBridge";

/** What BuildKit says it can do. */
export interface Capabilities {
  readonly frontend: ReadonlySet<string>;
  readonly llb: ReadonlySet<string>;
}

/** A snapshot that was asked for, and the definition (pb.Definition) that it follows from; absent for an empty one. */
export interface Ref {
  readonly id: string;
  readonly definition: Uint8Array | undefined;
}

export interface Result {
  /** Refs by platform; the key is empty where the result is a single one. */
  readonly refs: ReadonlyMap<string, Ref | undefined>;
  readonly metadata: ReadonlyMap<string, Uint8Array>;
  /** pb.Attestations by platform, which has its name here also where the result is a single one. */
  readonly attestations: ReadonlyMap<string, Uint8Array>;
  readonly fields: Message;
}

/** Where layers may be taken from instead of being made. */
export interface CacheImport {
  readonly type: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface SolveRequest {
  readonly frontend?: string;
  readonly options?: ReadonlyMap<string, string>;
  readonly inputs?: ReadonlyMap<string, Uint8Array>;
  readonly definition?: Uint8Array;
  readonly cacheImports?: readonly CacheImport[];
}

export class Gateway {
  readonly #client: GrpcClient;

  constructor(client: GrpcClient) {
    this.#client = client;
  }

  async ping(): Promise<Capabilities> {
    const pong = decode(await this.#client.call("Ping", encode([])));
    const enabled = (number: number): Set<string> =>
      new Set(
        allBytesOf(pong, number)
          .map(decode)
          .filter((capability) => numberOf(capability, 2) !== 0n)
          .map((capability) => textOf(capability, 1)),
      );
    return { frontend: enabled(1), llb: enabled(2) };
  }

  /** Contexts that were given as definitions; bake's linked targets are. */
  async inputs(): Promise<Map<string, Uint8Array>> {
    return mapOf(decode(await this.#client.call("Inputs", encode([]))), 1);
  }

  async solve(request: SolveRequest): Promise<Result> {
    const { frontend, options = [], inputs = [], definition, cacheImports = [] } = request;
    const answer = await this.#client.call(
      "Solve",
      encode([
        ...(definition === undefined ? [] : [bytesField(1, definition)]),
        ...(frontend === undefined ? [] : [textField(2, frontend)]),
        ...mapFields(3, options),
        numberField(5, true), // allowResultReturn
        numberField(6, true), // allowResultArrayRef
        ...cacheImports.map(({ type, attributes }) =>
          messageField(12, [textField(1, type), ...mapFields(2, Object.entries(attributes))]),
        ),
        ...mapFields(13, inputs),
      ]),
    );
    return resultOf(bytesOf(decode(answer), 3) ?? new Uint8Array());
  }

  /** The id of what a definition makes. */
  async snapshot(request: SolveRequest): Promise<string> {
    const id = (await this.solve(request)).refs.get("")?.id;
    if (id === undefined) throw new Error("BuildKit gave no snapshot for a definition");
    return id;
  }

  /** The first `length` bytes of a file of a snapshot, which BuildKit then has to make. */
  async readFile(id: string, path: string, length: number): Promise<Uint8Array> {
    const range = messageField(3, [numberField(2, length)]);
    const answer = await this.#client.call("ReadFile", encode([textField(1, id), textField(2, path), range]));
    return bytesOf(decode(answer), 1) ?? new Uint8Array();
  }

  /** Shows a warning to the user. `vertex` is the digest of an operation of the build. */
  async warn(vertex: string, text: string, url: string): Promise<void> {
    await this.#client.call(
      "Warn",
      encode([textField(1, vertex), numberField(2, 1), bytesField(3, Buffer.from(text)), textField(5, url)]),
    );
  }

  /** Ends the build with a result. */
  async return(result: Message): Promise<void> {
    await this.#client.call("Return", encode([messageField(1, result)]));
  }

  /** Ends the build with an error: a google.rpc.Status, whose details hold the source excerpt and the stack. */
  async fail(status: Uint8Array): Promise<void> {
    await this.#client.call("Return", encode([bytesField(2, status)]));
  }
}

/** A google.rpc.Status without details. */
export function statusOf(code: number, message: string): Uint8Array {
  return encode([numberField(1, code), textField(2, message)]);
}

function resultOf(bytes: Uint8Array): Result {
  const fields = decode(bytes);
  const refs = new Map<string, Ref | undefined>();
  const single = bytesOf(fields, RESULT.ref);
  if (single) refs.set("", refOf(single));
  const many = bytesOf(fields, RESULT.refs);
  if (many) for (const [key, value] of mapOf(decode(many), 1)) refs.set(key, refOf(value));
  return {
    refs,
    metadata: mapOf(fields, RESULT.metadata),
    attestations: mapOf(fields, RESULT.attestations),
    fields,
  };
}

const RESULT = { refDeprecated: 1, refsDeprecated: 2, ref: 3, refs: 4, metadata: 10, attestations: 12 } as const;

function refOf(bytes: Uint8Array): Ref | undefined {
  const ref = decode(bytes);
  const id = textOf(ref, 1);
  return id === "" ? undefined : { id, definition: bytesOf(ref, 2) };
}

/** The result with other snapshots under the same keys, other metadata and attestations; all else as it came. */
export function withRefs(
  result: Result,
  ids: ReadonlyMap<string, string>,
  metadata: ReadonlyMap<string, Uint8Array>,
  attestations: ReadonlyMap<string, Uint8Array>,
): Message {
  const replaced: ReadonlySet<number> = new Set(Object.values(RESULT));
  const refField = (id: string): Message => (id === "" ? [] : [textField(1, id)]);
  const single = ids.get("");
  const refs: Field =
    single !== undefined
      ? messageField(RESULT.ref, refField(single))
      : messageField(
          RESULT.refs,
          mapFields(
            1,
            Array.from(ids, ([key, id]) => [key, encode(refField(id))] as const),
          ),
        );
  return [
    refs,
    ...mapFields(RESULT.metadata, metadata),
    ...mapFields(RESULT.attestations, attestations),
    ...result.fields.filter(({ number }) => !replaced.has(number)),
  ];
}
