// How soon the map of the front page can be used, in a real browser with a software renderer: from the start of the navigation, with an empty
// cache, to the first time that the map is idle with piles on it; then from a move, and from a step of zoom, to the next. Five times each. Beside
// the first, the processor time that all of the browser took for it, its rendering in software included: what a busy machine does not change much.
// Usage: node map.mjs URL LON LAT [SCREENSHOT_FOLDER] [RUNS], the place being one with piles; tests/map.rs starts a server for it.
import { mkdirSync } from "node:fs";
import { launch } from "./scene.mjs";

const [, , site, lon, lat, pictures, runs = 5] = process.argv;
const SIZES = [["desktop", { width: 1280, height: 800 }], ["phone", { width: 390, height: 844 }]];
const PLACES = [["country", 4], ["city", 10], ["street", 15]];
if (pictures) mkdirSync(pictures, { recursive: true });

const browser = await launch();

// In the page: when the map was first idle with piles on it, ms since the navigation began, and how many symbols and piles were on it.
const first = () => new Promise((done) => {
  const look = () => {
    const map = document.getElementById("map")?.map;
    if (!map) return setTimeout(look, 2);
    const idle = () => {
      const now = performance.now();
      const layers = ["clusters", "single", "piles"].filter((layer) => map.getLayer(layer));
      const drawn = map.queryRenderedFeatures({ layers });
      if (!drawn.length) return map.once("idle", idle);
      const number = ({ properties: { piles, point_count: count } }) => piles ?? count ?? 1;
      done([now, drawn.length, drawn.reduce((sum, one) => sum + number(one), 0)]);
    };
    map.once("idle", idle);
  };
  look();
});
// In the page: ms from a jump to the next idle.
const jump = (kind) => new Promise((done) => {
  const { map } = document.getElementById("map");
  const began = performance.now();
  map.once("idle", () => done(performance.now() - began));
  if (kind === "pan") map.panBy([0.5 * map.getCanvas().clientWidth, 0], { animate: false });
  else map.jumpTo({ zoom: map.getZoom() + 1 });
});

const session = await browser.newBrowserCDPSession();
const cpu = async () => (await session.send("SystemInfo.getProcessInfo")).processInfo.reduce((sum, { cpuTime }) => sum + 1000 * cpuTime, 0);

for (const [size, viewport] of SIZES) {
  for (const [place, zoom] of PLACES) {
    const times = { first: [], cpu: [], pan: [], zoom: [] };
    let seen;
    for (let run = 0; run < Number(runs); run += 1) {
      const context = await browser.newContext({ viewport, locale: "zh-CN" });
      const page = await context.newPage();
      // The page itself opens at a city: the same page, opened elsewhere.
      await page.route(`${site}/`, async (route) => {
        const answer = await route.fetch();
        const there = [["lon", lon], ["lat", lat], ["zoom", zoom]];
        const body = there.reduce((text, [name, value]) => text.replace(new RegExp(`data-${name}="[^"]*"`), `data-${name}="${value}"`), await answer.text());
        await route.fulfill({ response: answer, body });
      });
      const before = await cpu();
      await page.goto(`${site}/`, { waitUntil: "commit" });
      const [ms, symbols, piles] = await page.evaluate(first);
      times.first.push(ms);
      times.cpu.push((await cpu()) - before);
      seen = `${symbols} symbols of ${piles} piles`;
      await page.waitForLoadState("networkidle");
      if (pictures && run === 0) await page.screenshot({ path: `${pictures}/map-${place}-${size}.png` });
      for (const kind of ["pan", "zoom"]) times[kind].push(await page.evaluate(jump, kind));
      await context.close();
    }
    const told = Object.entries(times).map(([kind, all]) => {
      const [median, worst] = [[...all].sort((a, b) => a - b)[all.length >> 1], Math.max(...all)].map((ms) => (ms / 1000).toFixed(2));
      return `${kind === "cpu" ? "of CPU" : kind} ${median} (worst ${worst})`;
    });
    console.log(`  ${size} ${place}: ${told.join(", ")} s; ${seen}`);
  }
}
await browser.close();
