/**
 * TensorBoard's event files read back, written from the formats' own description and from nothing in actors/sink: TFRecord
 * framing with masked CRC-32C (here by polynomial division), and as much of the protocol buffers as scalars need. Fields that it
 * does not know it passes over, as every reader does.
 */

export type ReadEvent = {
  readonly wallTime: number;
  readonly step: bigint;
  readonly fileVersion: string | undefined;
  readonly values: readonly { readonly tag: string; readonly simpleValue: number }[];
};

export function readEventFile(bytes: Uint8Array): ReadEvent[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const events: ReadEvent[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(view.getBigUint64(at, true));
    check(bytes.subarray(at, at + 8), view.getUint32(at + 8, true), `length at ${at}`);
    const data = bytes.subarray(at + 12, at + 12 + length);
    check(data, view.getUint32(at + 12 + length, true), `data at ${at}`);
    events.push(event(data));
    at += 12 + length + 4;
  }
  return events;
}

function check(bytes: Uint8Array, stored: number, what: string): void {
  const rotated = (stored - 0xa282ead8) >>> 0;
  const crc = ((rotated << 15) | (rotated >>> 17)) >>> 0;
  if (crc !== castagnoli(bytes)) throw new Error(`the checksum of the ${what} does not hold`);
}

/** Bit by bit: slow, and plainly the definition. */
export function castagnoli(bytes: Uint8Array): number {
  let crc = 0xffffffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x82f63b78n : crc >> 1n;
  }
  return Number(crc ^ 0xffffffffn);
}

type Field = { number: number; bytes: Uint8Array; int: bigint };

function* fields(data: Uint8Array): Generator<Field> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = view.getUint8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (n: number): Uint8Array => {
    at += n;
    return data.subarray(at - n, at);
  };
  while (at < data.length) {
    const key = varint();
    const number = Number(key >> 3n);
    const none = new Uint8Array(0);
    switch (key & 7n) {
      case 0n:
        yield { number, bytes: none, int: varint() };
        break;
      case 1n:
        yield { number, bytes: take(8), int: 0n };
        break;
      case 2n:
        yield { number, bytes: take(Number(varint())), int: 0n };
        break;
      case 5n:
        yield { number, bytes: take(4), int: 0n };
        break;
      default:
        throw new Error(`wire type ${key & 7n}`);
    }
  }
}

const dataView = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);
const text = (b: Uint8Array): string => new TextDecoder("utf-8", { fatal: true }).decode(b);

function event(data: Uint8Array): ReadEvent {
  let wallTime = 0;
  let step = 0n;
  let fileVersion: string | undefined;
  let values: ReadEvent["values"] = [];
  for (const { number, bytes, int } of fields(data)) {
    if (number === 1) wallTime = dataView(bytes).getFloat64(0, true);
    else if (number === 2) step = int;
    else if (number === 3) fileVersion = text(bytes);
    else if (number === 5) values = [...fields(bytes)].filter((f) => f.number === 1).map((f) => value(f.bytes));
  }
  return { wallTime, step, fileVersion, values };
}

function value(data: Uint8Array): { tag: string; simpleValue: number } {
  let [tag, simpleValue] = ["", Number.NaN];
  for (const { number, bytes } of fields(data)) {
    if (number === 1) tag = text(bytes);
    else if (number === 2) simpleValue = dataView(bytes).getFloat32(0, true);
  }
  return { tag, simpleValue };
}
