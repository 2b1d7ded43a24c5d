// A map of others beneath the piles, in a real browser: tiles are asked for, drawn, and told which site asks and not which page; whose map it is
// and its approval number stand on the page. The tiles come from a server of this script's own.
// Usage: node ground.mjs URL SCREENSHOT_FOLDER PORT, the server at URL being set up as tests/run does it: tiles of
// http://127.0.0.1:PORT/{z}/{x}/{y}.png, and the texts below
import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import { deflateSync } from "node:zlib";
import { IDLE_MS, check, end, open, scene } from "./scene.mjs";

const [, , site, pictures, port] = process.argv;
const ATTRIBUTION = "Tiles & <b>Sons</b>"; // VERIPILE_MAP__ATTRIBUTION
const APPROVAL = "GS(2026)0001号"; // VERIPILE_MAP__APPROVAL_NUMBER
const SIDE = 256;
const COLOUR = [176, 32, 144]; // of no other thing on the map
mkdirSync(pictures, { recursive: true });

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
function png() {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(SIDE, 0);
  header.writeUInt32BE(SIDE, 4);
  header.set([1, 3], 8); // one bit, palette
  const rows = deflateSync(Buffer.alloc(SIDE * (1 + SIDE / 8)));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", header), chunk("PLTE", Buffer.from(COLOUR)), chunk("IDAT", rows), chunk("IEND", Buffer.alloc(0))]);
}

const tile = png();
const asked = []; // path and referrer of each request
const tiles = createServer((request, answer) => {
  asked.push({ path: request.url, referrer: request.headers.referer });
  // As who gives out tiles: nobody who does not say whose site it is, and any site may read them.
  if (!request.headers.referer) return answer.writeHead(403, { "Access-Control-Allow-Origin": "*" }).end("Referer is required");
  return answer.writeHead(200, { "Content-Type": "image/png", "Access-Control-Allow-Origin": "*", "Cache-Control": "no-store" }).end(tile);
});
await new Promise((done) => tiles.listen(Number(port), "127.0.0.1", done));

// In the page: the colour in the middle of the map, of the frame that is drawn next.
const middle = () => new Promise((done) => {
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
const isColour = (seen) => COLOUR.every((part, n) => Math.abs(part - seen[n]) <= 4);

for (const [name, size] of [["desktop", { width: 1280, height: 800 }], ["phone", { width: 390, height: 844 }]]) await scene(`ground ${name}`, pictures, async () => {
  // A map that still finds its size breaks off what it does not need.
  const isBrokenOff = (request) => request.url().includes(`:${port}/`) && request.failure()?.errorText === "net::ERR_ABORTED";
  const { page, complaints } = await open(size, {}, isBrokenOff);
  asked.length = 0;
  const answer = await page.goto(`${site}/?near=120.301,31.575&lang=en`);
  await page.waitForSelector("#map[data-map-idle]", { timeout: IDLE_MS });
  const wrong = asked.filter(({ path }) => !/^\/\d+\/\d+\/\d+\.png$/.test(path));
  check(`ground ${name}: tiles are asked for, each by its place`, asked.length >= 2 && wrong.length === 0, `${asked.length}, ${wrong[0]?.path}`);
  const told = [...new Set(asked.map(({ referrer }) => referrer ?? "nothing"))];
  check(`ground ${name}: they are told the site alone`, told.join() === `${new URL(site).origin}/`, told.join(" "));
  let seen = [];
  for (const began = Date.now(); !isColour(seen) && Date.now() - began < IDLE_MS / 4; await page.waitForTimeout(200)) seen = await page.evaluate(middle);
  check(`ground ${name}: they are drawn`, isColour(seen), seen.join());
  const note = await page.locator("#basemap").innerText();
  check(`ground ${name}: whose map it is and its approval number stand below it`, note.includes(ATTRIBUTION) && note.includes(APPROVAL) && (await page.locator("#basemap").isVisible()), note);
  const onMap = page.locator(".maplibregl-ctrl-attrib-inner");
  check(`ground ${name}: and whose it is stands on it, to the letter`, (await onMap.textContent()).includes(ATTRIBUTION) && (await onMap.locator("b").count()) === 0, await onMap.innerHTML());
  const { "content-security-policy": policy, "referrer-policy": referrer } = await answer.allHeaders();
  check(`ground ${name}: the page's policy names the one host`, policy.split(`http://127.0.0.1:${port}`).length === 3 && referrer === "strict-origin", `${policy} ${referrer}`);
  const other = (await page.request.get(`${site}/about`)).headers();
  check(`ground ${name}: no other page's does, and none tells others anything`, !other["content-security-policy"].includes(port) && other["referrer-policy"] === "same-origin");
  await page.screenshot({ path: `${pictures}/ground-${name}.png` });
  check(`ground ${name}: nothing complains`, complaints.length === 0, complaints.join(" | "));
});

tiles.close();
await end();
