// Writes an archive of pictures as a map in a file is: PMTiles, version 3 (github.com/protomaps/PMTiles, spec/v3), zooms 0 to 2 of the whole
// earth, each tile in a colour of its own; one is missing. Called by tests/run before the server that is to show it; what is where is told to
// file.mjs.
// Usage: node archive.mjs FILE
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { png } from "./tile.mjs";

export const ZOOM_MAX = 2;
export const MISSING = { z: ZOOM_MAX, x: 3, y: 2 }; // the Indian Ocean, Australia
export const colour = ({ z, x, y }) => [200 - 50 * x, 60 * y, 90 + 60 * z]; // of no other thing on the map

// The place of a tile on the curve that orders them: zoom by zoom, and within one Hilbert's.
function number({ z, x, y }) {
  let along = 0;
  for (let side = 2 ** z / 2; side >= 1; side /= 2) {
    const [right, low] = [x & side ? 1 : 0, y & side ? 1 : 0];
    along += side * side * ((3 * right) ^ low);
    if (low) continue;
    if (right) [x, y] = [side - 1 - x, side - 1 - y];
    [x, y] = [y, x];
  }
  return (4 ** z - 1) / 3 + along;
}

function varint(value) {
  const bytes = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  return [...bytes, value];
}

function archive() {
  const tiles = [];
  for (let z = 0; z <= ZOOM_MAX; z += 1) {
    for (let x = 0; x < 2 ** z; x += 1) for (let y = 0; y < 2 ** z; y += 1) tiles.push({ z, x, y });
  }
  const told = tiles
    .filter((tile) => ["z", "x", "y"].some((part) => tile[part] !== MISSING[part]))
    .map((tile) => ({ id: number(tile), picture: png(colour(tile)) }))
    .sort((one, other) => one.id - other.id);
  // How many; then of all: number after the one before, how many follow that are the same, length, and that each begins where the last ends.
  const directory = Buffer.from([
    varint(told.length),
    ...told.map(({ id }, n) => varint(id - (told[n - 1]?.id ?? 0))),
    ...told.map(() => varint(1)),
    ...told.map(({ picture }) => varint(picture.length)),
    ...told.map((_, n) => varint(n === 0 ? 1 : 0)),
  ].flat());
  const pictures = Buffer.concat(told.map(({ picture }) => picture));
  const description = Buffer.from("{}");
  const header = Buffer.alloc(127);
  header.write("PMTiles");
  header.writeUInt8(3, 7);
  let from = header.length;
  // Directory, description, further directories (none), pictures: where each begins, and its length.
  for (const [at, part] of [[8, directory], [24, description], [40, Buffer.alloc(0)], [56, pictures]]) {
    header.writeBigUInt64LE(BigInt(from), at);
    header.writeBigUInt64LE(BigInt(part.length), at + 8);
    from += part.length;
  }
  for (const at of [72, 80, 88]) header.writeBigUInt64LE(BigInt(told.length), at);
  header.set([1, 1, 1, 2, 0, ZOOM_MAX], 96); // in order, directories and pictures not packed, PNG, zooms
  for (const [at, degrees] of [[102, -180], [106, -85], [110, 180], [114, 85]]) header.writeInt32LE(degrees * 1e7, at);
  return Buffer.concat([header, directory, description, pictures]);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) writeFileSync(process.argv[2], archive());
