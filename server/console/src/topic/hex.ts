/** Bytes of one line. */
const LINE = 16;

/** `0a 1b 2c …`: at most so many bytes. */
export function hexBytes(bytes: Uint8Array, most: number): string {
  const shown = Array.from(bytes.subarray(0, most), hexByte).join(" ");
  return bytes.length > most ? `${shown} …` : shown;
}

/** Lines of offset, bytes in hex and as ASCII, for at most so many bytes. */
export function hexDump(bytes: Uint8Array, most: number): string {
  const lines: string[] = [];
  for (let start = 0; start < Math.min(bytes.length, most); start += LINE) {
    const line = bytes.subarray(start, Math.min(start + LINE, most));
    const hex = Array.from(line, hexByte)
      .join(" ")
      .padEnd(LINE * 3 - 1);
    const ascii = Array.from(line, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·"));
    lines.push(`${start.toString(16).padStart(6, "0")}  ${hex}  ${ascii.join("")}`);
  }
  return lines.join("\n");
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
