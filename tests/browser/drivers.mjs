// What drivers see, in a real browser at desktop, phone and the smallest phone: search, conditions, station, pile, report, both
// languages, without WebGL. Every page is held to axe-core's rules (WCAG 2.1 A and AA), to targets of 44 px, and to its width.
// Usage: node drivers.mjs URL SCREENSHOT_FOLDER
import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import { LETTER_PX, chartFaults } from "./looks.mjs";
import { IDLE_MS, axe, check, end, open as opened, scene } from "./scene.mjs";

const [, , site, pictures] = process.argv;
const TARGET_PX = 44;
const SIZES = [["desktop", { width: 1280, height: 800 }], ["phone", { width: 390, height: 844 }], ["small", { width: 320, height: 640 }]];
mkdirSync(pictures, { recursive: true });

// A map that moves on, or a page that is left, breaks off what it no longer needs; these requests, and in no other way.
const BROKEN_OFF = ["/api/v1/tiles/piles/", "/found.geojson", "/assets/basemap/"];
function isBrokenOff(request) {
  const { pathname } = new URL(request.url());
  const isAsked = BROKEN_OFF.some((one) => pathname.startsWith(one)) || (pathname === "/" && request.resourceType() === "fetch");
  return isAsked && request.failure()?.errorText === "net::ERR_ABORTED";
}
// A page that may not stand in another's frame.
const isNotFramed = (request) => request.isNavigationRequest() && request.frame().parentFrame() !== null && new URL(request.url()).pathname.startsWith("/p/");
const open = (size, options, isDue = () => false) => opened(size, options, (request) => isBrokenOff(request) || isDue(request));

// Buttons, fields and links that stand alone, the map's own too; links within a sentence may be as high as its line (WCAG 2.5.8).
const smallTargets = (least) =>
  [...document.querySelectorAll("main a, main button, main select, main summary, main input:not([type=hidden]), header a, header button:not(.unseen), footer a")]
    .filter((one) => !one.closest(".maplibregl-map") || one.matches(".maplibregl-ctrl-group button, .maplibregl-ctrl-attrib summary, .maplibregl-popup a, .maplibregl-popup button"))
    .map((one) => (one.matches("[type=radio],[type=checkbox]") ? one.closest("label") ?? one : one))
    .filter((one) => {
      const box = one.getBoundingClientRect();
      const isInSentence = one.tagName === "A" && getComputedStyle(one).display === "inline";
      return box.height > 0 && Math.min(box.height, box.width) < least - 0.5 && !isInSentence;
    })
    .map((one) => `${one.tagName} ${one.textContent.trim().slice(0, 20)} ${Math.round(one.getBoundingClientRect().width)} × ${Math.round(one.getBoundingClientRect().height)}`);

async function hold(page, at) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth + 1);
  check(`${at}: nothing sticks out sideways`, !wide);
  const small = await page.evaluate(smallTargets, TARGET_PX);
  check(`${at}: targets are ${TARGET_PX} px high and wide`, small.length === 0, small.slice(0, 5).join(" | "));
  const faults = await page.evaluate(chartFaults, LETTER_PX);
  check(`${at}: charts can be read`, faults.length === 0, faults.slice(0, 5).join(" | "));
  check(`${at}: nothing leads to regulators' pages`, (await page.locator("a[href*='/reg/']").count()) === 0);
  // Evaluated by the debugger: the page's own policy allows no such script.
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }));
  // Beside the levels: every page has one heading above all others, all of it stands in regions, and no two regions of a page bear one name.
  const besides = await page.evaluate(() => axe.run(document, { runOnly: { type: "rule", values: ["page-has-heading-one", "region", "landmark-unique"] } }));
  const told = [...found.violations, ...besides.violations].map((one) => `${one.id}: ${one.nodes[0].html.slice(0, 120)}`);
  check(`${at}: axe-core finds nothing`, told.length === 0, told.join(" | "));
}

// Names of 255 letters, which lists may have, identifiers of 64, and what an operator replied from right to left; none with a blank.
async function stretched(page, names, at) {
  const fits = await page.evaluate((names) => {
    for (const one of document.querySelectorAll(names)) one.textContent = "W".repeat(one.matches(".id") ? 64 : 255);
    const reply = document.createElement("blockquote");
    Object.assign(reply, { className: "told", dir: "auto", textContent: "ش".repeat(2_000) });
    document.querySelector("main .card")?.append(reply);
    return document.documentElement.scrollWidth <= window.innerWidth + 1;
  }, names);
  check(`${at}: long names stick out nowhere`, fits && (await page.locator(names).count()) > 0);
}

for (const [name, size] of SIZES) await scene(`drivers ${name}`, pictures, async () => {
  const { context, page, complaints } = await open(size, { geolocation: { longitude: 120.301, latitude: 31.575 }, permissions: ["geolocation"] });
  const at = `drivers ${name}`;
  const picture = (part) => page.screenshot({ path: `${pictures}/drivers-${part}-${name}.png`, fullPage: part !== "map" });
  const idle = () => page.waitForSelector("#map[data-map-idle]", { timeout: IDLE_MS });
  const sentence = () => page.locator("#asked").innerText();
  await page.goto(`${site}/`);
  await idle();
  await picture("map");
  await hold(page, `${at} map`);
  // The map's own controls speak the page's language: the canvas, nearer, farther, whose map it is; and the scale.
  const labels = () => page.locator(".maplibregl-canvas, .maplibregl-ctrl button, .maplibregl-ctrl-attrib summary").evaluateAll((all) => all.map((one) => one.getAttribute("aria-label")).join("|"));
  const scale = () => page.locator(".maplibregl-ctrl-scale").innerText();
  check(`${at}: the map's controls are Chinese on a Chinese page`, (await labels()) === "地图|放大|缩小|展开或收起地图来源" && /公里|米/.test(await scale()), `${await labels()} ${await scale()}`);
  await page.goto(`${site}/?lang=en`);
  await idle();
  check(`${at}: and English on an English one`, (await labels()) === "Map|Zoom in|Zoom out|Show or hide whose map this is" && /m$/.test(await scale()), `${await labels()} ${await scale()}`);
  await page.goto(`${site}/`);
  await idle();

  // With the script the list is the server's, sentence and pages included, until the driver moves the map; then it is what is in sight.
  const shown = () => page.locator("#list .id").allInnerTexts();
  const served = async (address) => [...(await (await page.request.get(address)).text()).matchAll(/class="id">([^<]*)</g)].map((one) => one[1]);
  const counted = async () => Number(/(\d+) 个$/.exec(await page.locator("#asked b").innerText())?.[1]);
  await page.waitForTimeout(1_500);
  check(`${at}: the list with script is the list without`, (await shown()).join() === (await served(`${site}/`)).join());
  const all = await counted();
  check(`${at}: more piles than lines have a next page`, (await page.locator("#rest .pager a").isVisible()) === all > 50, `${all}`);
  const map = await page.locator("#map").boundingBox();
  await page.mouse.move(map.x + map.width / 2, map.y + map.height / 2);
  await page.mouse.wheel(0, -900);
  await page.waitForFunction(() => document.getElementById("asked").innerText.includes("地图这一带"), null, { timeout: IDLE_MS });
  check(`${at}: who moved the map is told`, (await page.locator("#asked").getAttribute("aria-live")) === "polite");
  const here = await counted();
  check(`${at}: a moved map lists what is in sight, and says so`, 0 < here && here < all && (await shown()).length === Math.min(here, 50), `${here} of ${all}, ${(await shown()).length} lines`);
  check(`${at}: the part in sight has its pages`, (await page.locator("#rest .pager a").count()) === (here > 50 ? 1 : 0));
  await picture("sight");
  await hold(page, `${at} sight`);
  // It lives in the address: what goes on from here goes on from this part, and a reload is the same list and the same part.
  const moved = page.url();
  const part = new URL(moved).searchParams.get("bbox") ?? "";
  check(`${at}: the list of a moved map is what the server gives for the address`, part !== "" && (await shown()).join() === (await served(moved)).join(), moved);
  check(`${at}: the other language and the next search stay in that part`, new URL(await page.locator("a.language").getAttribute("href"), site).searchParams.get("bbox") === part && (await page.locator("form.filter [name=bbox]").evaluateAll((fields) => fields.map((field) => field.value).join("|"))) === part);
  await page.reload();
  await idle();
  const [west, south, east, north] = part.split(",").map(Number);
  const seen = await page.evaluate(() => document.getElementById("map").map.getBounds().toArray().flat());
  const isNear = (one, other, whole) => Math.abs(one - other) < 0.02 * whole;
  check(`${at}: a reload shows the same part, and its list`, isNear(seen[0], west, east - west) && isNear(seen[3], north, north - south) && (await counted()) === here, `${seen} for ${part}, ${await counted()}`);
  await page.locator("#asked a").first().click();
  await page.waitForURL((to) => !to.search.includes("bbox"));
  check(`${at}: and leads back to the whole list`, (await counted()) === all && (await shown()).join() === (await served(page.url())).join(), page.url());

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
  check(`${at}: and how far around it looks`, (await sentence()).includes("约 50 公里以内"), await sentence());
  await idle();
  await picture("near");
  const tick = page.locator("#near-only");
  const isTicked = (await tick.isVisible()) && (await tick.locator("input").isChecked());
  const around = await page.locator("#map").boundingBox();
  await page.mouse.move(around.x + around.width / 2, around.y + around.height / 2);
  await page.mouse.wheel(0, 900);
  await page.waitForFunction(() => document.getElementById("asked").innerText.includes("地图这一带"), null, { timeout: IDLE_MS });
  check(`${at}: near is ticked until the list follows the map, and then neither tick nor sentence claims it`, isTicked && !(await tick.isVisible()) && !(await sentence()).includes("公里以内") && (await page.locator(".away").count()) >= 1, `${isTicked} ${await sentence()}`);
  const besides = page.url();
  await page.fill("[name=q]", "sygc");
  await page.press("[name=q]", "Enter");
  await page.waitForURL(/q=sygc/);
  check(`${at}: a search for a place leaves the driver's`, !page.url().includes("near="), page.url());
  check(`${at}: and the part that was looked at`, besides.includes("bbox=") && !page.url().includes("bbox="), `${besides} ${page.url()}`);
  await page.goto(besides);
  await page.locator(".asof a").click();
  await page.waitForURL(/view=stations/);
  const card = await page.locator("#list li.station").first().innerText();
  check(`${at}: a station's card has fee, free piles and telephone`, /元\/度/.test(card) && /空闲/.test(card) && /400-0000/.test(card), card);
  await picture("stations");
  await hold(page, `${at} stations`);
  await stretched(page, "#list b", `${at} stations`);

  await page.locator("#list li.station a").first().click();
  await page.waitForURL(/\/s\//);
  const station = await page.locator("main").innerText();
  check(`${at}: the station has what Wuxi publishes`, ["空闲桩", "电价", "服务电话", "地址", "经营者"].every((word) => station.includes(word)), station.slice(0, 200));
  check(`${at}: and its piles`, (await page.locator("#list li").count()) >= 5);
  await picture("station");
  await hold(page, `${at} station`);
  await stretched(page, "h1, #list .id", `${at} station`);

  check(`${at}: five maps to navigate with`, (await page.locator(".navigate a").count()) === 5);
  await page.locator("#list li a").first().click();
  await page.waitForURL(/\/p\//);
  check(`${at}: a pile has its code, papers and maps`, (await page.locator("svg.qr").isVisible()) && (await page.locator("#documents").isVisible()) && (await page.locator(".navigate a").count()) === 5);
  await picture("pile");
  await hold(page, `${at} pile`);
  await stretched(page, ".state-card > p b, .state-card > p .id", `${at} pile`);
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
  await picture("pile-en");
  await hold(page, `${at} pile in English`);
  for (const [part, path] of [["about", "/about"], ["stats", "/stats"], ["open-data", "/open-data"]]) {
    await page.goto(site + path);
    await page.locator(`footer a[href^="${path}"]`).click();
    await page.waitForURL(new RegExp(`${path}\\?lang=`));
    await picture(part);
    await hold(page, `${at} ${part}`);
    await page.goto(`${site}${path}?lang=en`);
    await hold(page, `${at} ${part} in English`);
  }
  await page.goto(`${site}/stats`);
  const number = page.locator("#operator tbody tr").first().locator("td a").first();
  const piles = await number.innerText();
  await number.click();
  await page.waitForURL(/operator=/);
  check(`${at}: a number of the statistics opens its list`, (await page.locator("#asked b").innerText()).endsWith(`：${piles} 个`), `${piles} ${await sentence()}`);
  await page.goto(`${site}/?connector=gbt_dc`);
  check(`${at}: a connector is a condition`, (await sentence()).includes("国标直流"), await sentence());
  const verified = await (await page.request.get(`${site}/api/v1/verifications`)).json();
  if (verified.verifications.length > 0) {
    const newest = verified.verifications[0];
    const signed = await (await page.request.get(`${site}/api/v1/certificates/${newest.number}.json`)).json();
    const seals = signed.certificate.items.flatMap(item => item.evidence.seals ?? []).length;
    await page.goto(`${site}/p/${newest.pile_id}`);
    const shown = await page.locator("#documents dd.id").count();
    check(`${at}: a document and its seals`, (await page.locator("#documents .file").count()) >= 3 && shown === seals, `${shown} of ${seals}`);
    await picture("documents");
    await hold(page, `${at} documents`);
    const low = (links) => page.locator(links).evaluateAll((all, least) => all.filter((one) => one.getBoundingClientRect().height < least - 0.5).map((one) => one.textContent.trim()).join(" | "), TARGET_PX);
    await page.goto(`${site}/c/${newest.number}`);
    check(`${at}: a document's page has its chart`, (await page.locator("svg.error-chart text").count()) > 0);
    await picture("certificate");
    await hold(page, `${at} certificate`);
    check(`${at}: links of a document's page are no lower than a finger`, (await low("main a[href*='/p/'], main a[download]")) === "", await low("main a[href*='/p/'], main a[download]"));
  }
  await page.goto(pile);
  const charges = page.locator("a[href*='/check?charge=']");
  if ((await charges.count()) > 0) {
    await page.goto(site + (await charges.first().getAttribute("href")));
    await picture("charge");
    await hold(page, `${at} charge`);
    check(`${at}: the link to a charge's pile is no lower than a finger`, (await page.locator("#charge a[href*='/p/']").evaluate((one) => one.getBoundingClientRect().height)) >= TARGET_PX - 0.5);
  }
  await page.goto(`${site}/check?lang=en`);
  const reading = '{"TM":"2026-03-01T08:00:00,000+0800 S","TX":"B","RV":1,"RI":"1-b:1.8.0","RU":"kWh","ST":"M","EF":""}';
  await page.fill("[name=record]", `OCMF|{"FV":"1.0","MS":"S","RD":[${reading}]}|{}`);
  await page.locator("#given button[type=submit]").click();
  await page.locator("section.result table.layers").waitFor();
  await picture("checked");
  await hold(page, `${at} a record in English`);
  check(`${at}: nothing complains`, complaints.length === 0, complaints.join(" | "));
});

await scene("embedded", pictures, async () => {
  const { context, page, complaints } = await open({ width: 390, height: 844 }, {}, isNotFramed);
  const pile = (await (await page.request.get(`${site}/api/v1/piles?state=verified_monitored&limit=1`)).json()).features[0]?.id ?? "WX-0001";
  const html = `<!doctype html><title>other</title><a href="${site}/p/${pile}"><img alt="badge" src="${site}/badge/${pile}.svg"></a>
    <iframe title="widget" src="${site}/widget/${pile}" width="320" height="240"></iframe><iframe title="page" src="${site}/p/${pile}"></iframe>`;
  const other = createServer((_, answer) => answer.setHeader("Content-Type", "text/html; charset=utf-8").end(html));
  await new Promise((done) => other.listen(0, "127.0.0.1", done));
  await page.goto(`http://127.0.0.1:${other.address().port}/`);
  check("embedded: the badge shows on another's page", await page.locator("img").evaluate((one) => one.decode().then(() => one.naturalWidth === 320)));
  const frame = page.frameLocator("iframe[title=widget]");
  check("embedded: the small page shows in another's frame", (await frame.locator("h1").innerText()).length > 2 && (await frame.locator("main").innerText()).includes(pile));
  const [inner] = page.frames().filter((one) => one.url().includes("/widget/"));
  check("embedded: nothing sticks out of the frame", !(await inner.evaluate(() => document.documentElement.scrollWidth > window.innerWidth + 1)));
  // One complaint is due: the page that may not be framed.
  check("embedded: no other page can be framed", complaints.length === 1 && complaints[0].includes("frame-ancestors"), complaints.join(" | "));
  await page.screenshot({ path: `${pictures}/drivers-embedded.png` });
  other.close();
});

await scene("offline", pictures, async () => {
  const { context, page, complaints } = await open({ width: 390, height: 844 });
  await page.goto(`${site}/?kind=dc`);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => navigator.serviceWorker.controller ?? new Promise((done) => navigator.serviceWorker.addEventListener("controllerchange", done))));
  // What a first visit showed is kept, although it came before the script that keeps.
  const keeps = (word) => page.waitForFunction(async (word) => {
    const kept = await (await caches.open("veripile-2")).match("/");
    return kept && (await kept.text()).includes(word);
  }, word, { timeout: IDLE_MS });
  await keeps("直流");
  const first = await page.locator("#list li").count();
  await context.setOffline(true);
  await page.goto(`${site}/`);
  check("offline: the list of a very first visit is there", first > 0 && (await page.locator("#list li").count()) === first && (await page.locator("p.offline").isVisible()));
  await context.setOffline(false);
  const manifest = await (await page.request.get(`${site}/manifest.webmanifest`)).json();
  check("installable: a manifest with a start, icons and a display", manifest.start_url === "/" && manifest.display === "standalone" && manifest.icons.some((one) => one.sizes === "512x512"));
  // A station's pages, and its languages, are kept each by itself.
  await page.goto(`${site}/?view=stations`);
  const { pathname } = new URL(site + (await page.locator("#list li.station a").first().getAttribute("href")));
  const stations = ["?lang=zh", "?page=2&lang=zh", "?lang=en"].map((which) => `${site}${pathname}${which}`);
  const said = async (address) => {
    await page.goto(address);
    return page.locator("main h2, main .id").allInnerTexts().then((texts) => texts.join());
  };
  const before = [];
  for (const address of stations) before.push(await said(address));
  await page.goto(`${site}/?kind=dc`);
  await page.waitForSelector("#map[data-map-idle]", { timeout: IDLE_MS });
  const list = await page.locator("#list li").count();
  const lively = await page.locator("#list .live").count();
  const href = await page.locator("#list li a").first().getAttribute("href");
  await page.goto(site + href);
  complaints.length = 0;
  await context.setOffline(true);
  await page.goto(`${site}/`);
  const note = page.locator("p.offline");
  check("offline: the last list is there and says when it was kept", (await page.locator("#list li").count()) === list && (await note.isVisible()) && /20\d\d/.test(await note.innerText()), await note.innerText());
  const statuses = () => page.locator("#list .what small:last-child").allInnerTexts();
  const dated = async () => (await page.locator(".live").count()) === 0 && (await statuses()).filter((text) => /20\d\d/.test(text)).length;
  check("offline: no status is of now, each that was says of when it is", lively > 0 && (await dated()) > 0, `${lively}: ${(await statuses()).slice(0, 5).join(" | ")}`);
  check("offline: it says what was asked", (await page.locator("#asked").innerText()).includes("直流"));
  // Nobody answers for any other place than those of the list.
  const drawn = () => page.waitForFunction(() => {
    const { map } = document.getElementById("map");
    const seen = map?.getSource("piles") ? map.queryRenderedFeatures({ layers: ["clusters", "piles"] }) : [];
    // What stands at the edge of two tiles is found twice.
    const piles = new Map(seen.map(({ properties }) => [properties.cluster_id ?? properties.id, properties.point_count ?? 1]));
    return [...piles.values()].reduce((sum, count) => sum + count, 0);
  }, null, { timeout: IDLE_MS }).then((found) => found.jsonValue(), () => 0);
  const places = await page.locator("#list .badge[data-at]").count();
  const onMap = await drawn();
  check("offline: the map shows where the last list's piles are, and no others", places > 0 && 0 < onMap && onMap <= places, `${onMap} of ${places}`);
  await page.screenshot({ path: `${pictures}/drivers-offline.png` });
  await page.goto(site + href);
  check("offline: a pile that was opened is there", (await page.locator(".state-card").count()) === 1 && (await note.isVisible()) && (await page.locator(".live").count()) === 0);
  const again = [];
  for (const address of stations) again.push(await said(address));
  check("offline: a station's pages do not take each other's place", again.join("|") === before.join("|") && new Set(again).size === 3, `${again.join("|")} for ${before.join("|")}`);
  check("offline: what was never opened is not made up", await page.goto(`${site}/p/never-opened`).then(() => false, () => true));
  check("offline: no page of operators is kept", await page.goto(`${site}/op`).then(() => false, () => true));
  await context.setOffline(false);
  await page.goto(`${site}/`);
  check("online again: the note is gone", !(await note.isVisible()) && !(await page.locator("#asked").innerText()).includes("直流"));
  // A tab that stays open goes grey after ten minutes without an answer, and is as before with the next one.
  const now = await page.locator("#list .live").count();
  await context.setOffline(true);
  await page.evaluate(() => {
    const real = Date.now;
    Date.now = () => real() + 11 * 60_000;
  });
  // It asks again after a minute at most, and by then the first request has failed under the old clock.
  await note.waitFor({ state: "visible", timeout: 3 * IDLE_MS });
  check("open without network: no status is of now, each that was says of when it is", now > 0 && (await dated()) > 0 && /20\d\d/.test(await note.innerText()), `${now}: ${(await statuses()).slice(0, 5).join(" | ")}`);
  await context.setOffline(false);
  await note.waitFor({ state: "hidden", timeout: 3 * IDLE_MS });
  check("open with network again: statuses are of now", (await page.locator("#list .live").count()) > 0);
  // A list that followed the map came without a navigation; it is the last all the same.
  await page.goto(`${site}/`);
  await page.waitForSelector("#map[data-map-idle]", { timeout: IDLE_MS });
  const map = await page.locator("#map").boundingBox();
  await page.mouse.move(map.x + map.width / 2, map.y + map.height / 2);
  await page.mouse.wheel(0, -900);
  await page.waitForFunction(() => document.getElementById("asked").innerText.includes("地图这一带"), null, { timeout: IDLE_MS });
  await keeps("地图这一带");
  const inSight = await page.locator("#asked b").innerText();
  await context.setOffline(true);
  await page.goto(`${site}/`);
  check("offline: a list that followed the map is there", (await page.locator("#asked b").innerText()) === inSight && (await page.locator("p.offline").isVisible()), inSight);
  await context.setOffline(false);
  check("offline: no policy was broken", !complaints.some((one) => one.includes("CSP")), complaints.join(" | "));
});

// The list in a tab that stays open, under a driver's hand; at the end on a network that is there and answers nobody.
await scene("list left open", pictures, async () => {
  const { page } = await open({ width: 390, height: 844 }, { serviceWorkers: "block" });
  let [asked, isSilent] = [0, false];
  await page.route((url) => url.pathname === "/", async (route) => {
    if (route.request().isNavigationRequest()) return route.continue();
    asked += 1;
    if (isSilent) return undefined;
    const body = (await (await route.fetch()).text()).replace(/\d+ 个<\/b>/, `${7000 + asked} 个</b>`);
    return route.fulfill({ contentType: "text/html; charset=utf-8", body });
  });
  await page.clock.install();
  await page.goto(`${site}/`);
  const says = (number) => page.locator("#asked b", { hasText: `${number} 个` }).waitFor();
  await page.locator("form.filter summary").click();
  await page.fill("[name=q]", "sy");
  const link = await page.locator("#list li a").nth(2).elementHandle();
  await link.focus();
  await page.clock.fastForward(30_500);
  await says(7001);
  check("list left open: nobody loses their place", await link.evaluate((one) => one === document.activeElement));
  check("list left open: what is typed and unfolded stays", (await page.inputValue("[name=q]")) === "sy" && (await page.locator("form.filter details").evaluate((one) => one.open)));
  check("list left open: a number that changes by itself is not read aloud", (await page.locator("#asked").getAttribute("aria-live")) === "off");
  isSilent = true;
  await page.clock.fastForward(60_500);
  await page.waitForTimeout(25_000);
  check("list left open: one that nobody answers is given up", asked === 2, String(asked));
  isSilent = false;
  await page.clock.fastForward(60_500);
  await says(7003);
  check("list left open: and asked for again", asked === 3, String(asked));
});

// A pile's page in a tab that stays open, with a clock that is put on. What the server says anew is made up on the way.
await scene("left open", pictures, async () => {
  const { page, complaints } = await open({ width: 390, height: 844 }, { serviceWorkers: "block" });
  await page.goto(`${site}/`);
  const href = await page.locator("#list li:has(.live) a").first().getAttribute("href");
  const address = new URL(site + href);
  let [answers, isReached] = [0, true];
  await page.route((url) => url.pathname === address.pathname, async (route) => {
    if (route.request().isNavigationRequest()) return route.continue();
    if (!isReached) return route.abort();
    const body = (await (await route.fetch()).text()).replace(/state-card \w+/, "state-card failed");
    answers += 1;
    return route.fulfill({ contentType: "text/html; charset=utf-8", body });
  });
  await page.clock.install();
  await page.goto(address.href);
  const minutes = async (n) => {
    for (let minute = 0; minute < n; minute += 1) {
      await page.clock.fastForward(60_500);
      await page.waitForTimeout(300);
    }
  };
  const report = page.locator(".state-card a[href*='/report']");
  await report.focus();
  const kept = await page.locator(".state-card").elementHandle();
  const lively = await page.locator("main .live").count();
  await minutes(1);
  await page.waitForSelector(".state-card.failed");
  check("left open: it says what is new", answers === 1 && (await page.locator(".state-card").count()) === 1, String(answers));
  check("left open: nobody loses their place", await report.evaluate((link) => link === document.activeElement));
  check("left open: only what is new is touched", await kept.evaluate((card) => card.isConnected));
  const hide = (isHidden) => page.evaluate((is) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => is });
    document.dispatchEvent(new Event("visibilitychange"));
  }, isHidden);
  await hide(true);
  await minutes(3);
  check("left open: nothing is asked while nobody looks", answers === 1, String(answers));
  await hide(false);
  await page.waitForTimeout(1_000);
  check("left open: whoever comes back is told", answers === 2, String(answers));
  isReached = false;
  complaints.length = 0;
  await minutes(12);
  const note = page.locator("p.offline");
  check("left open without network: no status is of now", lively > 0 && (await note.isVisible()) && (await page.locator("main .live").count()) === 0 && /20\d\d/.test(await page.locator("main .stale").first().innerText()));
  isReached = true;
  await minutes(2);
  check("left open with network again: statuses are of now", !(await note.isVisible()) && (await page.locator("main .live").count()) > 0);
  check("left open: no policy was broken", !complaints.some((one) => one.includes("CSP")), complaints.join(" | "));
});

// What was found comes late, when the driver is looking somewhere else by then.
await scene("slow", pictures, async () => {
  const { page } = await open({ width: 1280, height: 800 }, { serviceWorkers: "block" });
  let come;
  const held = new Promise((done) => (come = done));
  await page.route("**/found.geojson?*", (route) => held.then(() => route.continue()));
  await page.goto(`${site}/?kind=dc`);
  await page.waitForSelector("#map[data-map-idle]", { timeout: IDLE_MS });
  const map = await page.locator("#map").boundingBox();
  await page.mouse.move(map.x + map.width / 2, map.y + map.height / 2);
  await page.mouse.wheel(0, -900);
  await page.waitForFunction(() => document.getElementById("asked").innerText.includes("地图这一带"), null, { timeout: IDLE_MS });
  const looksAt = () => page.evaluate(() => document.getElementById("map").map.getBounds().toArray().flat().map((one) => one.toFixed(4)).join());
  const [before, drawn] = [await looksAt(), page.waitForResponse(/found\.geojson/)];
  come();
  await drawn;
  await page.waitForFunction(() => document.getElementById("map").map.querySourceFeatures("piles").length > 0, null, { timeout: IDLE_MS }).catch(() => {});
  check("slow: nobody is carried off who has begun to look around", (await looksAt()) === before, `${await looksAt()} for ${before}`);
});

await scene("no WebGL", pictures, async () => {
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
});

await scene("no script", pictures, async () => {
  const { context, page } = await open({ width: 390, height: 844 }, { javaScriptEnabled: false });
  await page.goto(`${site}/?q=sygc&view=stations`);
  check("no script: search and cards work", (await page.locator("#list li.station").count()) === 1);
  await page.locator("#list li a").click();
  check("no script: the station opens", page.url().includes("/s/"));
});

await end();
