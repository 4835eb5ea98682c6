import { Decoder, Encoder } from "@msgpack/msgpack";

const encoder = new Encoder();
const decoder = new Decoder();

/** A value as MessagePack. Throws for what it has no form for, such as functions. */
export function encodeValue(value: unknown): Uint8Array<ArrayBuffer> {
  return encoder.encode(value);
}

/** The one MessagePack value that these bytes are. Binaries in it are views of them. Throws if it is none. */
export function decodeValue(bytes: Uint8Array): unknown {
  return decoder.decode(bytes);
}
