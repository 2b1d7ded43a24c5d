// A map in a file beneath the piles, in a real browser: its pictures are asked of us and of nobody else, each lies where it should, what is deeper
// is drawn from the deepest that there is, and where it has none there is none and nobody complains.
// Usage: node file.mjs URL SCREENSHOT_FOLDER, the server at URL being set up as tests/run does it: with what archive.mjs wrote, and the texts below
import { mkdirSync } from "node:fs";
import { MISSING, ZOOM_MAX, colour } from "./archive.mjs";
import { IDLE_MS, check, end, open, scene } from "./scene.mjs";
import { isColour, middle } from "./tile.mjs";

const [, , site, pictures] = process.argv;
const ATTRIBUTION = "Survey of <i>A</i>"; // VERIPILE_MAP__ATTRIBUTION
const APPROVAL = "GS(2026)0002号"; // VERIPILE_MAP__APPROVAL_NUMBER
const WATER = [0xcf, 0xe0, 0xee]; // what the map has beneath all else
// Places in the middle of tiles of zoom 2, a quarter of the equator wide each.
const PLACES = [["the Atlantic", -45, -40, { z: 2, x: 1, y: 2 }], ["Arabia", 45, 40, { z: 2, x: 2, y: 1 }], ["China", 135, 40, { z: 2, x: 3, y: 1 }]];
mkdirSync(pictures, { recursive: true });

for (const [name, size] of [["desktop", { width: 1280, height: 800 }], ["phone", { width: 390, height: 844 }]]) await scene(`file ${name}`, pictures, async () => {
  // A map that still finds its size, or is moved on, breaks off what it does not need.
  const isBrokenOff = (request) => /\/(basemap|api\/v1\/tiles)\//.test(request.url()) && request.failure()?.errorText === "net::ERR_ABORTED";
  const { page, complaints } = await open(size, {}, isBrokenOff);
  const asked = [];
  page.on("request", (request) => asked.push(new URL(request.url())));
  const answer = await page.goto(`${site}/?near=120.301,31.575&lang=en`);
  await page.waitForSelector("#map[data-map-idle]", { timeout: IDLE_MS });
  const { origin } = new URL(site);
  const others = asked.filter((one) => one.protocol.startsWith("http") && one.origin !== origin);
  check(`file ${name}: nobody else is asked`, others.length === 0, others.join(" "));
  const ours = asked.filter(({ pathname }) => pathname.startsWith("/basemap/"));
  const wrong = ours.filter(({ pathname, search }) => !new RegExp(`^/basemap/[0-${ZOOM_MAX}]/\\d/\\d$`).test(pathname) || !/^\?v=[0-9a-f]{16}$/.test(search));
  check(`file ${name}: pictures are asked of us, by their place and file, none deeper than there is`, ours.length >= 1 && wrong.length === 0, `${ours.length}, ${wrong[0]}`);
  const look = async (what, lon, lat, expected) => {
    await page.evaluate((center) => document.getElementById("map").map.jumpTo({ center, zoom: 5 }), [lon, lat]);
    let seen = [];
    for (const began = Date.now(); !isColour(expected, seen) && Date.now() - began < IDLE_MS / 4; await page.waitForTimeout(200)) seen = await page.evaluate(middle);
    check(`file ${name}: ${what} is drawn`, isColour(expected, seen), `${seen.join()}, not ${expected.join()}`);
  };
  await look("bare water, where there is no picture,", 135, -40, WATER);
  for (const [what, lon, lat, tile] of PLACES) await look(`the picture of ${what}`, lon, lat, colour(tile));
  const missing = await page.request.get(`${site}${ours[0].pathname.replace(/\d\/\d\/\d$/, `${MISSING.z}/${MISSING.x}/${MISSING.y}`)}`);
  check(`file ${name}: that there is none is no error`, missing.status() === 204, String(missing.status()));
  const note = await page.locator("#basemap").innerText();
  check(`file ${name}: whose map it is and its approval number stand below it`, note.includes(ATTRIBUTION) && note.includes(APPROVAL), note);
  const onMap = page.locator(".maplibregl-ctrl-attrib-inner");
  check(`file ${name}: and whose it is stands on it, to the letter`, (await onMap.textContent()).includes(ATTRIBUTION) && (await onMap.locator("i").count()) === 0, await onMap.innerHTML());
  const { "content-security-policy": policy, "referrer-policy": referrer } = await answer.allHeaders();
  check(`file ${name}: the page's policy names no host`, !policy.includes("http") && referrer === "same-origin", `${policy} ${referrer}`);
  await page.screenshot({ path: `${pictures}/file-${name}.png` });
  check(`file ${name}: nothing complains`, complaints.length === 0, complaints.join(" | "));
});

await end();
