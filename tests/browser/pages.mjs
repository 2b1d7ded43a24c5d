// The pages in a real browser, at phone and desktop size: they load, the map becomes idle, a pile opens from list and map, nothing
// complains. Usage: node pages.mjs URL SCREENSHOT_FOLDER
import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";

const [, , site, pictures] = process.argv;
const IDLE_MS = 60_000;
const PAGE_BYTES_MAX = 40 * 1024;
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
  page.on("requestfailed", (request) => complaints.push(`${request.url()} ${request.failure()?.errorText}`));
  await page.addInitScript(() =>
    document.addEventListener("securitypolicyviolation", (event) => console.error(`CSP ${event.violatedDirective} ${event.blockedURI}`)));
  return { context, page, complaints };
}

for (const [name, size] of [["desktop", { width: 1280, height: 800 }], ["phone", { width: 390, height: 844 }]]) {
  const { context, page, complaints } = await open(size);
  await page.goto(`${site}/`);
  await page.waitForSelector("#map[data-map-idle]", { timeout: IDLE_MS });
  await page.waitForTimeout(1500);
  await page.screenshot({ path: `${pictures}/map-${name}.png` });
  check(`${name}: the map becomes idle`, true);
  check(`${name}: the legend names all six states`, (await page.locator(".legend li").count()) === 6);
  check(`${name}: the list has piles`, (await page.locator("#list li").count()) >= 20);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth + 1);
  check(`${name}: nothing sticks out sideways`, !wide);

  await page.locator("#list li a").first().click();
  await page.waitForLoadState("load");
  check(`${name}: a pile opens from the list`, /\/p\/WX-\d+/.test(page.url()), page.url());
  const text = await page.locator("main").innerText();
  check(`${name}: its page keeps evidence apart from verification`, text.includes("证据，不是检定") && text.includes("检定证书"), text.slice(0, 200));
  check(`${name}: its page has a chart`, (await page.locator("svg.chart .point").count()) >= 1);
  const bytes = (await (await context.request.get(page.url())).body()).length;
  check(`${name}: its page is under 40 KB`, bytes < PAGE_BYTES_MAX, String(bytes));
  await page.screenshot({ path: `${pictures}/pile-${name}.png`, fullPage: true });
  await page.locator("a.language").click();
  await page.waitForLoadState("load");
  check(`${name}: English beside Chinese`, (await page.locator("main").innerText()).includes("Evidence, not a verification"));

  await page.goto(`${site}/reg/queue`);
  check(`${name}: the queue has rows`, (await page.locator("table.queue tbody tr").count()) >= 20);
  check(`${name}: the queue tells four kinds apart`, (await page.locator("section .verdict").count()) === 4);
  await page.screenshot({ path: `${pictures}/queue-${name}.png` });
  await page.locator("table.queue tbody a").first().click();
  await page.waitForLoadState("load");
  check(`${name}: a row opens its evidence`, (await page.locator("table.charges tbody tr").count()) >= 1);
  check(`${name}: nothing complains`, complaints.length === 0, complaints.join(" | "));
  await context.close();
}

{
  const { context, page, complaints } = await open({ width: 1280, height: 800 });
  await page.goto(`${site}/`);
  await page.waitForSelector("#map[data-map-idle]", { timeout: IDLE_MS });
  const id = await page.evaluate(async () => {
    const map = document.getElementById("map").map;
    const answer = await (await fetch("/api/v1/piles?limit=1")).json();
    const pile = answer.features[0];
    map.jumpTo({ center: pile.geometry.coordinates, zoom: 18 });
    await new Promise((done) => map.once("idle", done));
    return pile.id;
  });
  await page.waitForTimeout(500);
  const box = await page.locator("#map canvas").boundingBox();
  await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  const link = page.locator(".maplibregl-popup a");
  await link.waitFor({ timeout: 10_000 }).catch(() => {});
  check("map: a click on a pile offers its page", (await link.count()) === 1 && (await link.getAttribute("href")).includes(id));
  if (await link.count()) {
    await link.click();
    await page.waitForLoadState("load");
  }
  check("map: the pile opens", page.url().includes(`/p/${id}`), page.url());
  check("map: nothing complains", complaints.length === 0, complaints.join(" | "));
  await context.close();
}

{
  const { context, page } = await open({ width: 390, height: 844 }, { javaScriptEnabled: false });
  await page.goto(`${site}/`);
  check("no script: the list is there", (await page.locator("#list li").count()) >= 20);
  await page.locator("select[name=state]").selectOption("failed");
  await page.locator(".filter button").click();
  await page.waitForLoadState("load");
  check("no script: the filter works", page.url().includes("state=failed") && (await page.locator("#list li").count()) >= 1, page.url());
  const answer = await context.request.get(`${site}/p/no-such-pile`, { headers: { accept: "text/html" } });
  check("no script: an unknown pile is 404 with a page", answer.status() === 404 && (await answer.text()).includes("没有这个页面"));
  await context.close();
}

await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
