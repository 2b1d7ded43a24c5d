// Tiles of one colour each, and the colour that a map shows in its middle. Called by ground.mjs, archive.mjs and file.mjs.
import { deflateSync } from "node:zlib";

const SIDE = 256;

// PNG (ISO/IEC 15948): signature, header, palette, rows of one bit a pixel, end; each but the signature with its CRC-32.
function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
function chunk(kind, data) {
  const bytes = Buffer.concat([Buffer.alloc(4), Buffer.from(kind), data, Buffer.alloc(4)]);
  bytes.writeUInt32BE(data.length);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, -4)), bytes.length - 4);
  return bytes;
}
export function png(colour) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(SIDE, 0);
  header.writeUInt32BE(SIDE, 4);
  header.set([1, 3], 8); // one bit, palette
  const rows = deflateSync(Buffer.alloc(SIDE * (1 + SIDE / 8)));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", header), chunk("PLTE", Buffer.from(colour)), chunk("IDAT", rows), chunk("IEND", Buffer.alloc(0))]);
}

// In the page: the colour in the middle of the map, of the frame that is drawn next.
export const middle = () => new Promise((done) => {
  const { map } = document.getElementById("map");
  map.once("render", () => {
    const copy = document.createElement("canvas");
    copy.width = copy.height = 1;
    const [pen, drawn] = [copy.getContext("2d"), map.getCanvas()];
    pen.drawImage(drawn, Math.floor(drawn.width / 2), Math.floor(drawn.height / 2), 1, 1, 0, 0, 1, 1);
    done([...pen.getImageData(0, 0, 1, 1).data].slice(0, 3));
  });
  map.triggerRepaint();
});

export const isColour = (expected, seen) => expected.every((part, n) => Math.abs(part - seen[n]) <= 4);
