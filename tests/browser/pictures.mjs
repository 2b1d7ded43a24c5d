// Takes the pictures of README.md: the map, a pile's page, a verification's order and document, and the queue, as the demo shows them once its
// live verification is over. Look at each before it is committed.
// Usage: node pictures.mjs URL FOLDER VERIFIER_PASSWORD, the address and the password being those that `veripile demo --days 30` prints
import { mkdirSync, writeFileSync } from "node:fs";
import { launch } from "./scene.mjs";

const [, , site, folder, verifier] = process.argv;
const WAIT_MS = 300_000; // the live verification takes some two minutes
const QUALITY = 72; // of WebP: letters are still sharp
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
mkdirSync(folder, { recursive: true });

const browser = await launch();

async function open(viewport, lang) {
  const context = await browser.newContext({ viewport, locale: lang === "en" ? "en" : "zh-CN" });
  return context.newPage();
}

async function take(page, name) {
  await page.waitForTimeout(1000); // fonts and fading labels
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: QUALITY });
  const bytes = Buffer.from(data, "base64");
  writeFileSync(`${folder}/${name}.webp`, bytes);
  console.log(`${name}.webp ${bytes.length} bytes`);
}

const map = await open(DESKTOP);
await map.goto(`${site}/`);
await map.waitForSelector("#map[data-map-idle]", { timeout: WAIT_MS });
await take(map, "map");

const answer = await map.request.get(`${site}/api/v1/piles?state=verified_monitored&limit=1`);
const pile = (await answer.json()).features[0].id;
const phone = await open(PHONE);
await phone.goto(`${site}/p/${pile}`);
await take(phone, "pile");
const english = await open(DESKTOP, "en");
await english.goto(`${site}/p/${pile}?lang=en`);
await english.locator("svg.chart").first().evaluate((chart) => chart.closest("section").scrollIntoView());
await take(english, "assessment-en");

const queue = await open(DESKTOP);
await queue.goto(`${site}/reg/queue`);
await take(queue, "queue");

const order = await open(DESKTOP);
await order.goto(`${site}/ver/orders`);
await order.fill("[name=name]", "demo-verifier");
await order.fill("[name=password]", verifier);
await order.click("main button[type=submit]");
await order.waitForURL(/\/ver\/orders$/);
await order.locator("main a[href*='/ver/orders/VP']").last().click();
const document = order.locator("a.button[href*='/c/']");
for (let waited = 0; waited < WAIT_MS && (await document.count()) === 0; waited += 2000) {
  await order.waitForTimeout(2000);
  await order.reload();
}
await take(order, "order");
await browser.close();
