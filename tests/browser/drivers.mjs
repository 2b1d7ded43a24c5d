// What drivers see, in a real browser at desktop, phone and the smallest phone: search, conditions, station, pile, report, both
// languages, without WebGL. Every page is held to axe-core's rules (WCAG 2.1 A and AA), to targets of 44 px, and to its width.
// Usage: node drivers.mjs URL SCREENSHOT_FOLDER
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [, , site, pictures] = process.argv;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const IDLE_MS = 60_000;
const TARGET_PX = 44;
const SIZES = [["desktop", { width: 1280, height: 800 }], ["phone", { width: 390, height: 844 }], ["small", { width: 320, height: 640 }]];
mkdirSync(pictures, { recursive: true });
let passed = 0;
let failed = 0;

function check(what, good, detail = "") {
  if (good) passed += 1;
  else failed += 1;
  console.log(`${good ? "ok      " : "FAILED  "}${what}${good ? "" : ` ${detail}`}`);
}

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});

async function open(size, options = {}) {
  const context = await browser.newContext({ viewport: size, locale: "zh-CN", ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.addInitScript(() =>
    document.addEventListener("securitypolicyviolation", (event) => console.error(`CSP ${event.violatedDirective} ${event.blockedURI}`)));
  return { context, page, complaints };
}

// Buttons, fields and links that stand alone; links within a sentence may be as high as its line (WCAG 2.5.8).
const smallTargets = (least) =>
  [...document.querySelectorAll("main a, main button, main select, main summary, main input:not([type=hidden]), header a")]
    .filter((one) => !one.closest(".maplibregl-map"))
    .map((one) => (one.matches("[type=radio],[type=checkbox]") ? one.closest("label") ?? one : one))
    .filter((one) => {
      const box = one.getBoundingClientRect();
      const isInSentence = one.tagName === "A" && getComputedStyle(one).display === "inline";
      return box.height > 0 && box.height < least - 0.5 && !isInSentence;
    })
    .map((one) => `${one.tagName} ${one.textContent.trim().slice(0, 20)} ${Math.round(one.getBoundingClientRect().height)}`);

async function hold(page, at) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth + 1);
  check(`${at}: nothing sticks out sideways`, !wide);
  const small = await page.evaluate(smallTargets, TARGET_PX);
  check(`${at}: targets are ${TARGET_PX} px high`, small.length === 0, small.slice(0, 5).join(" | "));
  // Evaluated by the debugger: the page's own policy allows no such script.
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }));
  const told = found.violations.map((one) => `${one.id}: ${one.nodes[0].html.slice(0, 120)}`);
  check(`${at}: axe-core finds nothing`, told.length === 0, told.join(" | "));
}

for (const [name, size] of SIZES) {
  const { context, page, complaints } = await open(size, { geolocation: { longitude: 120.301, latitude: 31.575 }, permissions: ["geolocation"] });
  const at = `drivers ${name}`;
  const picture = (part) => page.screenshot({ path: `${pictures}/drivers-${part}-${name}.png`, fullPage: part !== "map" });
  const idle = () => page.waitForSelector("#map[data-map-idle]", { timeout: IDLE_MS });
  const sentence = () => page.locator("#asked").innerText();
  await page.goto(`${site}/`);
  await idle();
  await picture("map");
  await hold(page, `${at} map`);

  await page.fill("[name=q]", "sygc");
  await page.press("[name=q]", "Enter");
  await page.waitForURL(/q=sygc/);
  check(`${at}: initials find a station`, (await sentence()).includes("sygc") && (await page.locator("#list li").first().innerText()).includes("三阳广场"), await sentence());
  await page.locator("select[name=kind]").selectOption("dc");
  await page.locator("main form button[type=submit]").first().click();
  await page.waitForURL(/kind=dc/);
  check(`${at}: a condition is said in the sentence and lives in the address`, (await sentence()).includes("直流") && page.url().includes("q=sygc"), page.url());
  await idle();
  await picture("search");
  await hold(page, `${at} search`);

  await page.goto(`${site}/`);
  await page.locator("#near-me").click();
  await page.waitForURL(/near=120\.301%2C31\.575/);
  check(`${at}: near me tells distances and the order`, (await page.locator(".away").count()) >= 10 && (await page.locator(".asof").last().innerText()).includes("500 米"));
  await idle();
  await picture("near");
  await page.locator(".asof a").click();
  await page.waitForURL(/view=stations/);
  const card = await page.locator("#list li.station").first().innerText();
  check(`${at}: a station's card has fee, free piles and telephone`, /元\/度/.test(card) && /空闲/.test(card) && /400-0000/.test(card), card);
  await picture("stations");
  await hold(page, `${at} stations`);

  await page.locator("#list li.station a").first().click();
  await page.waitForURL(/\/s\//);
  const station = await page.locator("main").innerText();
  check(`${at}: the station has what Wuxi publishes`, ["空闲桩", "电价", "服务电话", "地址", "经营者"].every((word) => station.includes(word)), station.slice(0, 200));
  check(`${at}: and its piles`, (await page.locator("#list li").count()) >= 5);
  await picture("station");
  await hold(page, `${at} station`);

  await page.locator("#list li a").first().click();
  await page.waitForURL(/\/p\//);
  await picture("pile");
  await hold(page, `${at} pile`);
  const pile = page.url();
  await page.locator("a[href*='/report']").click();
  await page.waitForURL(/\/report/);
  await picture("report");
  await hold(page, `${at} report`);
  if (name !== "small") {
    await page.locator("[value=seal]").check();
    await page.locator("main form button").click();
    await page.waitForURL(/\/report\/[0-9A-Z-]{14}/);
    check(`${at}: a report has a receipt`, /^[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}$/.test(await page.locator("#receipt").innerText()));
    await picture("receipt");
    await hold(page, `${at} receipt`);
  }
  await page.goto(pile);
  await page.locator("a.language").click();
  await page.waitForURL(/lang=en/);
  check(`${at}: English keeps one at the same pile`, new URL(page.url()).pathname === new URL(pile).pathname && (await page.locator("main").innerText()).includes("Report a problem"));
  check(`${at}: nothing complains`, complaints.length === 0, complaints.join(" | "));
  await context.close();
}

{
  const { context, page } = await open({ width: 390, height: 844 });
  await page.addInitScript(() => {
    const original = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
      return kind.startsWith("webgl") ? null : original.call(this, kind, ...rest);
    };
  });
  await page.goto(`${site}/?kind=dc`);
  await page.waitForSelector("#map[data-map-idle]", { timeout: IDLE_MS });
  const sketch = page.locator("#map img");
  check("no WebGL: the sketch shows what was found", (await sketch.getAttribute("src")).includes("kind=dc") && (await sketch.evaluate((one) => one.decode().then(() => one.naturalWidth > 0))));
  check("no WebGL: the list is there", (await page.locator("#list li").count()) >= 10);
  await page.screenshot({ path: `${pictures}/drivers-no-webgl.png` });
  await context.close();
}

{
  const { context, page } = await open({ width: 390, height: 844 }, { javaScriptEnabled: false });
  await page.goto(`${site}/?q=sygc&view=stations`);
  check("no script: search and cards work", (await page.locator("#list li.station").count()) === 1);
  await page.locator("#list li a").click();
  check("no script: the station opens", page.url().includes("/s/"));
  await context.close();
}

await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
