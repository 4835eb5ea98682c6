import { encodeValue } from "@dunlin/client";

/** A frame of PROTOCOL.md: its kind and fields, with the length in front. */
export function frame(...elements: unknown[]): Uint8Array<ArrayBuffer> {
  const body = encodeValue(elements);
  const bytes = new Uint8Array(4 + body.length);
  new DataView(bytes.buffer).setUint32(0, body.length);
  bytes.set(body, 4);
  return bytes;
}

/** A `Hello` of a client of its own. */
export function hello(): Uint8Array<ArrayBuffer> {
  return frame(1, [1], "browser-tests/1", crypto.getRandomValues(new Uint8Array(16)));
}

/** Opens the browser's own WebTransport to a server with this certificate. */
export function webTransport(url: string, hash: string, protocols = ["dunlin.v1"]): WebTransport {
  const value = Uint8Array.from(hash.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  const serverCertificateHashes = [{ algorithm: "sha-256", value }];
  return new WebTransport(`${url}/dunlin`, { serverCertificateHashes, protocols });
}

/** A message of the multiplexer over WebSocket. */
export function muxed(channel: number, kind: number, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(5 + body.length);
  new DataView(bytes.buffer).setUint32(0, channel);
  bytes[4] = kind;
  bytes.set(body, 5);
  return bytes;
}
