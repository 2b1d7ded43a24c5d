// A map of others beneath the piles, in a real browser: tiles are asked for, drawn, and told which site asks and not which page; whose map it is
// and its approval number stand on the page. The tiles come from a server of this script's own.
// Usage: node ground.mjs URL SCREENSHOT_FOLDER PORT, the server at URL being set up as tests/run does it: tiles of
// http://127.0.0.1:PORT/{z}/{x}/{y}.png, and the texts below
import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import { IDLE_MS, check, end, open, scene } from "./scene.mjs";
import { isColour, middle, png } from "./tile.mjs";

const [, , site, pictures, port] = process.argv;
const ATTRIBUTION = "Tiles & <b>Sons</b>"; // VERIPILE_MAP__ATTRIBUTION
const APPROVAL = "GS(2026)0001号"; // VERIPILE_MAP__APPROVAL_NUMBER
const COLOUR = [176, 32, 144]; // of no other thing on the map
mkdirSync(pictures, { recursive: true });

const tile = png(COLOUR);
const asked = []; // path and referrer of each request
const tiles = createServer((request, answer) => {
  asked.push({ path: request.url, referrer: request.headers.referer });
  // As who gives out tiles: nobody who does not say whose site it is, and any site may read them.
  if (!request.headers.referer) return answer.writeHead(403, { "Access-Control-Allow-Origin": "*" }).end("Referer is required");
  return answer.writeHead(200, { "Content-Type": "image/png", "Access-Control-Allow-Origin": "*", "Cache-Control": "no-store" }).end(tile);
});
await new Promise((done) => tiles.listen(Number(port), "127.0.0.1", done));

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
  for (const began = Date.now(); !isColour(COLOUR, seen) && Date.now() - began < IDLE_MS / 4; await page.waitForTimeout(200)) seen = await page.evaluate(middle);
  check(`ground ${name}: they are drawn`, isColour(COLOUR, seen), seen.join());
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
