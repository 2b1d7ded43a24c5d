// The pages in a real browser, at phone and desktop size: they load, the map becomes idle, a pile opens from list and map, nothing
// complains; an operator signs in and brings a pile on; a verifier watches a run until its certificate is there and starts another; a
// reviewer confirms a certificate and a notice; a broken seal puts the certificate in question.
// Usage: node pages.mjs URL SCREENSHOT_FOLDER CONSOLE_PASSWORD VERIFIER_PASSWORD REVIEWER_PASSWORD
import { mkdirSync } from "node:fs";
import { LETTER_PX, chartFaults } from "./looks.mjs";
import { IDLE_MS, axe, check, end, open as opened, scene } from "./scene.mjs";

const [, , site, pictures, password, verifier, reviewer] = process.argv;
// The demo's run takes some two minutes.
const RUN_MS = 300_000;
const PAGE_BYTES_MAX = 40 * 1024;
const SIZES = [["desktop", { width: 1280, height: 800 }], ["phone", { width: 390, height: 844 }]];
mkdirSync(pictures, { recursive: true });

// An order's page asks for its own news every moment: where it is left meanwhile, that is broken off. So are tiles of zooms that a map passes on
// its way. Nothing else may be.
const isLeft = (request) =>
  request.resourceType() === "fetch" && /\/(ver\/orders\/[^/]+|api\/v1\/tiles\/piles\/.+)$/.test(request.url()) && request.failure()?.errorText === "net::ERR_ABORTED";
const open = (size, options) => opened(size, options, isLeft);

for (const [name, size] of SIZES) await scene(`map ${name}`, pictures, async () => {
  const { context, page, complaints } = await open(size);
  await page.goto(`${site}/`);
  await page.waitForSelector("#map[data-map-idle]", { timeout: IDLE_MS });
  await page.waitForTimeout(1500);
  await page.screenshot({ path: `${pictures}/map-${name}.png` });
  check(`${name}: the map becomes idle`, true);
  const sources = page.locator(".maplibregl-ctrl-attrib");
  check(`${name}: the map's sources can be read, and have one button`, (await sources.innerText()).includes("Natural Earth") && (await sources.locator("summary").evaluate((one) => one.getBoundingClientRect().height)) === 44 && (await page.locator("#map").evaluate((map) => { const [inner, outer] = [map.querySelector(".maplibregl-ctrl-attrib"), map].map((one) => one.getBoundingClientRect()); return inner.bottom <= outer.bottom && inner.left >= outer.left; })));
  check(`${name}: the legend names all six states`, (await page.locator(".legend li").count()) === 6);
  check(`${name}: the legend explains the map's cells`, /带数字的圆/.test(await page.locator("p.legend").innerText()));
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
});

await scene("polling", pictures, async () => {
  const { page } = await open({ width: 1280, height: 800 });
  await page.goto(`${site}/about`);
  // Of what is asked every 50 ms while anything is new, else every 2 s, and of nothing while nobody looks.
  const told = await page.evaluate(async () => {
    const { poll } = await import("/assets/poll.js");
    const rest = (ms) => new Promise((done) => setTimeout(done, ms));
    let [asked, isNew, hidden] = [0, true, false];
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    const during = async (ms) => {
      asked = 0;
      await rest(ms);
      return asked;
    };
    const polled = poll(async () => ((asked += 1), isNew), 50, 2_000);
    const lively = await during(1_500);
    isNew = false;
    await rest(500); // one more, after which it waits
    const quiet = await during(1_000);
    polled.soon();
    const moved = await during(800);
    hidden = true;
    const unseen = await during(4_000);
    hidden = false;
    const back = during(500);
    document.dispatchEvent(new Event("visibilitychange"));
    return { lively, quiet, moved, unseen, back: await back };
  });
  const { lively, quiet, moved, unseen, back } = told;
  check("polling: often while anything is new, seldom while not, never unseen", lively >= 3 && quiet === 0 && moved === 1 && unseen === 0 && back === 1, JSON.stringify(told));
});

await scene("map tiles", pictures, async () => {
  const { context, page, complaints } = await open({ width: 1280, height: 800 });
  const tiles = [];
  page.on("request", (request) => request.url().includes("/api/v1/tiles/piles/") && tiles.push(request.url()));
  await page.goto(`${site}/`);
  await page.waitForSelector("#map[data-map-idle]", { timeout: IDLE_MS });
  check("map: it is drawn from tiles", tiles.length >= 1);
  // From far enough away that all of the demo is on it.
  const drawn = await page.evaluate(async () => {
    const map = document.getElementById("map").map;
    const was = { center: map.getCenter(), zoom: map.getZoom() };
    const piles = async (to) => {
      map.jumpTo(to);
      await new Promise((done) => map.once("idle", done));
      return map.queryRenderedFeatures({ layers: ["clusters", "single"] }).reduce((sum, cell) => sum + cell.properties.piles, 0);
    };
    const all = await piles({ zoom: 6 });
    await piles(was);
    return all;
  });
  // Where counting takes longer than a page waits for it, the page says so and the next one has it.
  const numbers = await page.waitForFunction(async () => {
    const answer = await (await fetch("/")).text();
    return new DOMParser().parseFromString(answer, "text/html").querySelector(".counts dd")?.textContent;
  }, null, { polling: 1_000, timeout: IDLE_MS });
  const counted = Number(await numbers.jsonValue());
  check("map: its cells hold all piles", drawn === counted, `${drawn} of ${counted}`);
  const cell = await page.evaluate(() => {
    const map = document.getElementById("map").map;
    const found = map.queryRenderedFeatures({ layers: ["clusters"] }).map((one) => map.project(one.geometry.coordinates));
    const { width, height } = map.getCanvas().getBoundingClientRect();
    const margin = 60; // no button lies there
    const { x, y } = found.find(({ x, y }) => margin < x && x < width - margin && margin < y && y < height - margin);
    return { x, y, zoom: map.getZoom() };
  });
  const canvas = await page.locator("#map canvas").boundingBox();
  await page.mouse.click(canvas.x + cell.x, canvas.y + cell.y);
  const isNearer = (zoom) => { const { map } = document.getElementById("map"); return map.getZoom() >= zoom + 1 && !map.isMoving(); };
  check("map: a click on a cell goes nearer", await page.waitForFunction(isNearer, cell.zoom, { timeout: IDLE_MS }).then(() => true, () => false));
  const again = page.waitForRequest((request) => tiles.includes(request.url()), { timeout: IDLE_MS });
  check("map: a tile is asked for again when it is old", await again.then(() => true, () => false));
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
    const sides = await page.locator(".maplibregl-popup a, .maplibregl-popup button").evaluateAll((all) => all.flatMap((one) => [one.getBoundingClientRect().width, one.getBoundingClientRect().height]));
    check("map: what it offers, and what closes it, is 44 px high and wide", sides.length === 4 && sides.every((side) => side >= 43.5), sides.join(" "));
    await link.click();
    await page.waitForLoadState("load");
  }
  check("map: the pile opens", page.url().includes(`/p/${id}`), page.url());
  check("map: nothing complains", complaints.length === 0, complaints.join(" | "));
});

await scene("map without tiles", pictures, async () => {
  const { context, page } = await open({ width: 1280, height: 800 });
  const on = (layer) => page.waitForFunction((name) => document.getElementById("map")?.map?.queryRenderedFeatures({ layers: [name] }).length, layer, { timeout: IDLE_MS }).then(() => true, () => false);
  await context.route("**/tiles/**", (route) => route.fulfill({ status: 503 }));
  await page.goto(`${site}/`);
  const note = page.locator("#map-note[role=status]");
  const part = await note.elementHandle();
  check("map: it says when tiles fail", await note.waitFor({ timeout: IDLE_MS }).then(() => true, () => false));
  await context.unroute("**/tiles/**");
  check("map: and asks again by itself", await on("clusters"));
  check("map: and says nothing more", await note.waitFor({ state: "hidden", timeout: IDLE_MS }).then(() => true, () => false));
  check("map: in a part that is there all the while, as what comes with its words is not read aloud", await part.evaluate((one) => one.isConnected && one.textContent === ""));
  const tiles = [];
  page.on("request", (request) => request.url().includes("/tiles/") && tiles.push(request.url()));
  await page.goto(`${site}/?state=verified`);
  check("map: what is asked for is drawn without tiles", (await on("clusters")) && tiles.length === 0);
  check("map: and nothing is said as long as all of it is drawn", !(await note.isVisible()));
  const features = Array.from({ length: 5000 }, (_, n) => ({ type: "Feature", id: `P${n}`, geometry: { type: "Point", coordinates: [120.3 + n / 1e5, 31.5] }, properties: { verification: { state: "verified" } } }));
  features.push({ type: "Feature", id: "S9", geometry: { type: "Point", coordinates: [120.32, 31.52] }, properties: { station: "S9" } });
  let is_cut = false;
  const asked = [];
  page.on("request", (request) => /\/found\.geojson|\/api\/v1\/piles\?/.test(request.url()) && asked.push(new URL(request.url())));
  await context.route("**/found.geojson?*", (route) => route.fulfill({ json: { type: "FeatureCollection", meta: { is_cut }, features } }));
  await page.goto(`${site}/?state=verified`);
  check("map: as many as fit into an answer are all of them", (await on("clusters")) && !(await note.isVisible()));
  check("map: a station without a pile is drawn beside them", await on("stations"));
  // A mark near an edge between tiles is in both.
  const counted = await page.evaluate(() => {
    const marks = document.getElementById("map").map.queryRenderedFeatures({ layers: ["clusters", "piles"] });
    const each = new Map(marks.map(({ properties }) => [properties.cluster_id ?? properties.id, properties.point_count ?? 1]));
    return [...each.values()].reduce((sum, piles) => sum + piles, 0);
  });
  check("map: and is in no number", counted === 5000, counted);
  is_cut = true;
  await page.goto(`${site}/?state=verified`);
  await note.waitFor({ timeout: IDLE_MS }).catch(() => {});
  check("map: it says that it does not draw all", (await note.innerText()).includes("5000"));
  check("map: it asks for the part that is looked at, and nothing of the query API", asked.length >= 2 && asked.every(({ pathname, searchParams }) => pathname === "/found.geojson" && searchParams.get("state") === "verified" && searchParams.get("bbox")?.split(",").length === 4), asked.join(" "));
});

await scene("no script", pictures, async () => {
  const { context, page } = await open({ width: 390, height: 844 }, { javaScriptEnabled: false });
  await page.goto(`${site}/`);
  check("no script: the list is there", (await page.locator("#list li").count()) >= 20);
  await page.locator(".filter summary").click();
  await page.locator("select[name=state]").selectOption("failed");
  await page.locator(".filter button[type=submit]").click();
  await page.waitForLoadState("load");
  check("no script: the filter works", page.url().includes("state=failed") && (await page.locator("#list li").count()) >= 1, page.url());
  await page.goto(`${site}/check?lang=en`);
  await page.fill("[name=record]", "OCMF|{}|{}");
  await page.click("main form[method=post] button");
  await page.click("header .language");
  await page.waitForLoadState("load");
  check("no script: a record goes along into the other language", (await page.locator("[name=record]").inputValue()) === "OCMF|{}|{}" && page.url().includes("lang=zh"), page.url());
  const answer = await context.request.get(`${site}/p/no-such-pile`, { headers: { accept: "text/html" } });
  check("no script: an unknown pile is 404 with a page", answer.status() === 404 && (await answer.text()).includes("没有这个页面"));
});

for (const [name, size] of SIZES) await scene(`console ${name}`, pictures, async () => {
  const { context, page, complaints } = await open(size, { locale: "en" });
  const at = `console ${name}`;
  const text = () => page.locator("main").innerText();
  const fits = async () => !(await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth + 1));
  await page.goto(`${site}/op`);
  check(`${at}: a stranger is asked to sign in`, new URL(page.url()).pathname === "/op/sign-in", page.url());
  await page.fill("[name=name]", "demo");
  await page.fill("[name=password]", password);
  await page.click("main button[type=submit]");
  await page.waitForURL(/\/op$/);
  check(`${at}: the list has connected piles`, (await page.locator("#piles .link.up").count()) >= 20);
  await page.screenshot({ path: `${pictures}/console-${name}.png` });
  await page.goto(`${site}/op/signals?lang=en`);
  check(`${at}: signals are reasons to look, and operators' errors balance or not`, (await text()).includes("a reason to look, not a conclusion") && (await page.locator("#balance tbody tr").count()) >= 2);
  check(`${at}: signals fit`, await fits());
  await page.screenshot({ path: `${pictures}/signals-${name}.png`, fullPage: true });
  await page.goto(`${site}/op/dates?lang=en`);
  check(`${at}: next dates are proposals`, (await text()).includes("A proposal to the authority") && (await page.locator("tbody tr").count()) === 200);
  await page.locator("main a", { hasText: "Next page" }).click();
  await page.waitForLoadState("load");
  check(`${at}: next dates have a next page`, (await page.locator("tbody tr").count()) >= 100 && (await fits()), page.url());
  await page.screenshot({ path: `${pictures}/dates-${name}.png` });
  await page.goto(`${site}/op/sampling?lang=en`);
  await page.fill("[name=lot]", "200");
  await page.fill("[name=lq]", "10");
  await page.click("#plan form button[type=submit]");
  await page.waitForURL(/lot=200/);
  check(`${at}: the smallest plan of a lot is drawn`, (await page.locator("#answer").innerText()).includes("Test 42 / 200") && (await page.locator("svg.chart .curve").count()) === 1);
  check(`${at}: batches are judged`, (await page.locator("#batches tbody tr").count()) >= 1 && (await fits()));
  const faults = await page.evaluate(chartFaults, LETTER_PX);
  check(`${at}: the plan's curve can be read`, faults.length === 0, faults.join(" | "));
  // Evaluated by the debugger: the page's own policy allows no such script.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }));
  check(`${at}: axe-core finds nothing in it`, violations.length === 0, violations.map((one) => `${one.id}: ${one.nodes[0].html.slice(0, 120)}`).join(" | "));
  await page.screenshot({ path: `${pictures}/sampling-${name}.png`, fullPage: true });
  await page.locator("a.language").click();
  await page.waitForURL(/lang=zh/);
  check(`${at}: the plan stays in the other language`, (await page.locator("#answer").innerText()).includes("抽检 42 / 200"));
  const id = `NEW-${name}`;
  await page.goto(`${site}/op/import`);
  await page.fill("textarea", `pile_id,kind,accuracy_class\n${id},ac,2\nBAD,xy,2\n`);
  await page.click("main form.form button");
  check(`${at}: a bad row is named with its line`, (await page.locator("#errors tbody tr").count()) === 1 && (await text()).includes("neither ac nor dc"));
  await page.fill("textarea", `pile_id,kind,accuracy_class\n${id},ac,2\n`);
  await page.click("main form.form button");
  check(`${at}: a good table is registered`, (await page.locator(".done b").innerText()) === "1");
  await page.goto(`${site}/op/piles/${id}`);
  const address = await page.locator("#connect .copy code").first().innerText();
  check(`${at}: the whole address is there`, address.endsWith(`/ocpp/${id}`), address);
  await page.click("#connect form button >> nth=0");
  const key = await page.locator("#key").innerText();
  check(`${at}: the key is shown`, /^[0-9a-f]{40}$/.test(key), key);
  await page.goto(`${site}/op/piles/${id}`);
  check(`${at}: and only once`, !(await page.content()).includes(key));
  const opened = await page.evaluate((to) => new Promise((done) => {
    const socket = new WebSocket(to, ["ocpp1.6"]);
    socket.onopen = () => socket.send(JSON.stringify([2, "1", "BootNotification", { chargePointVendor: "Browser", chargePointModel: "B1" }]));
    socket.onmessage = (event) => done(event.data);
    socket.onerror = () => done("error");
  }), address.replace(/^wss?:\/\/[^/]+/, site.replace("http", "ws")));
  check(`${at}: a charger connects to that address`, opened.includes("Accepted"), opened);
  await page.waitForFunction(() => document.querySelector("#live")?.innerText.includes("Browser"), null, { timeout: 15_000 }).catch(() => {});
  check(`${at}: the page shows it by itself`, (await page.locator("#live").innerText()).includes("Browser B1"));
  check(`${at}: nothing sticks out sideways`, await fits());
  await page.screenshot({ path: `${pictures}/console-pile-${name}.png`, fullPage: true });

  await page.goto(`${site}/op/piles/WX-0002`);
  await page.locator("#orders form >> nth=1").locator("[name=name]").fill("HeartbeatInterval,SampledDataCtrlr.TxUpdatedInterval");
  await page.locator("#orders button[value=read_configuration]").click();
  await page.waitForFunction(() => document.querySelector("#answers .outcome.accepted"), null, { timeout: 30_000 }).catch(() => {});
  const answer = await page.locator("#answers").innerText();
  check(`${at}: an order has its answer beside it`, answer.includes("300") && /ms/.test(answer), answer);
  // What is sent is logged with the next commit, half a second later at most.
  for (let n = 0; n < 20 && (await page.locator(".caller.call").count()) === 0; n++) {
    await page.waitForTimeout(n && 250);
    await page.goto(`${site}/op/piles/WX-0002/messages`);
  }
  check(`${at}: the log pairs calls with answers`, (await page.locator("details.exchange").count()) >= 10 && (await page.locator(".caller.call").count()) >= 1);
  await page.locator("details.exchange summary").first().click();
  check(`${at}: and shows both texts`, (await page.locator("details[open] pre").count()) === 2);
  await page.screenshot({ path: `${pictures}/console-messages-${name}.png` });
  await page.goto(`${site}/check`);
  await page.fill("[name=record]", "OCMF|{}|{}");
  await page.click("main form[method=post] button");
  check(`${at}: a record is judged layer by layer`, (await page.locator(".result tbody tr").count()) === 4);
  const button = await page.locator("header .language").boundingBox();
  check(`${at}: its other language is as high and wide as a finger`, Math.min(button.height, button.width) >= 43.5 && (await fits()), JSON.stringify(button));
  await page.click("header .language");
  await page.waitForURL(/lang=zh/);
  const given = await page.locator("[name=record]").inputValue();
  check(`${at}: record and verdict go along into the other language`, given === "OCMF|{}|{}" && (await page.locator(".result tbody tr").count()) === 4 && (await text()).includes("无法读取"), given);
  await page.goto(`${site}/check`);
  await page.setInputFiles("[name=file]", { name: "record.txt", mimeType: "text/plain", buffer: Buffer.from("OCMF|{}|{}") });
  await page.click("main form[method=post] button");
  check(`${at}: a file is judged like it`, (await page.locator(".result tbody tr").count()) === 4);
  await page.goto(`${site}/p/WX-0002`);
  await page.locator(".charges tbody a").first().click();
  check(`${at}: a charge has its page by number`, await page.locator("#charge .facts").isVisible());
  await page.screenshot({ path: `${pictures}/check-${name}.png` });
  check(`${at}: nothing complains`, complaints.length === 0, complaints.join(" | "));
});

for (const [name, size] of SIZES) await scene(`verification ${name}`, pictures, async () => {
  const { context, page, complaints } = await open(size);
  const at = `verification ${name}`;
  const fits = async () => !(await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth + 1));
  // The page may be going on by itself just now, which breaks a reload off.
  const reloaded = () => page.reload().catch(() => {});
  const picture = (part) => page.screenshot({ path: `${pictures}/ver-${part}-${name}.png`, fullPage: true });
  await page.goto(`${site}/ver/orders`);
  check(`${at}: a stranger is asked to sign in`, new URL(page.url()).pathname === "/op/sign-in", page.url());
  await page.fill("[name=name]", "demo-verifier");
  await page.fill("[name=password]", verifier);
  await page.click("main button[type=submit]");
  await page.waitForURL(/\/ver\/orders/);
  check(`${at}: the order of the bench is listed`, (await page.locator("#orders a.id, #orders a").filter({ hasText: "VP" }).count()) >= 1);
  check(`${at}: nothing sticks out sideways`, await fits());
  await picture("orders");
  await page.goto(`${site}/ver/orders/VP2026-000001`.replace("2026", String(new Date().getFullYear())));
  const chart = page.locator("#live svg").first();
  check(`${at}: the chart has the band of the limits`, (await chart.count()) === 1 && (await chart.textContent()).includes("最大允许误差"));
  if (await page.locator("#live[data-running]").count()) {
    const before = await page.locator("#live progress").first().getAttribute("value");
    await page.waitForFunction((was) => document.querySelector("#live progress")?.getAttribute("value") !== was, before, { timeout: RUN_MS });
    check(`${at}: readings come in by themselves`, true);
    await picture("running");
  }
  const document = page.locator("a.button[href*='/c/']");
  for (let waited = 0; waited < RUN_MS && (await document.count()) === 0; waited += 2000) {
    await page.waitForTimeout(2000);
    await reloaded();
  }
  check(`${at}: the run ends in a document`, (await document.count()) === 1);
  check(`${at}: the result has a budget a load point`, (await page.locator("details table, .budget").count()) >= 1);
  check(`${at}: nothing sticks out of the order`, await fits());
  await picture("result");
  await document.click();
  await page.waitForLoadState("load");
  check(`${at}: the document says what it is worth`, (await page.locator(".worth.valid").count()) === 1, (await page.locator("main").innerText()).slice(0, 200));
  check(`${at}: and that its signature is checked`, (await page.locator("#check .layers li").count()) >= 3);
  check(`${at}: nothing sticks out of the document`, await fits());
  await picture("document");
  const number = page.url().split("/c/")[1].split("?")[0];
  for (const [ending, start] of [["pdf", "%PDF-"], ["json", "{"], ["dcc.xml", "<?xml"]]) {
    const file = await context.request.get(`${site}/api/v1/certificates/${number}.${ending}`);
    check(`${at}: its ${ending} is there`, file.ok() && (await file.body()).subarray(0, start.length).toString() === start, String(file.status()));
  }
  await page.goto(`${site}/p/SIM-BENCH-1`);
  check(`${at}: the pile is verified and names the document`, (await page.locator("main").innerText()).includes(number));
  if (name === "desktop") {
    await page.goto(`${site}/ver/orders/${number.replace(/1$/, "2")}`);
    await page.locator("form[action*='/start'] button").click();
    await page.waitForSelector("#live[data-running]", { timeout: RUN_MS });
    await page.waitForFunction(() => Number(document.querySelector("#live progress")?.value) > 0, null, { timeout: RUN_MS });
    check(`${at}: a run that was started here takes readings by itself`, true);
    await picture("started");
    await reloaded();
    await page.fill("form[action*='/stop'] [name=reason]", "试停");
    await Promise.all([page.waitForEvent("load"), page.locator("form[action*='/stop'] button").click()]);
    for (let waited = 0; waited < RUN_MS && (await page.locator(".stage.abandoned").count()) === 0; waited += 1000) {
      await page.waitForTimeout(1000);
      await reloaded();
    }
    check(`${at}: and ends visibly when it is stopped`, (await page.locator(".stage.abandoned").count()) === 1 && (await page.locator("main").innerText()).includes("试停"));
    await picture("stopped");
  }
  await page.goto(`${site}/ver/instruments`);
  check(`${at}: instruments with their validity`, (await page.locator("main .light").count()) >= 2);
  check(`${at}: nothing sticks out of the instruments`, await fits());
  await picture("instruments");
  await page.goto(`${site}/ver/orders/new?pile=SIM-BENCH-1`);
  check(`${at}: an order is proposed`, (await page.locator("form [name=rule_set]").count()) === 1);
  check(`${at}: nothing sticks out of the form`, await fits());
  await picture("new");
  check(`${at}: nothing complains`, complaints.length === 0, complaints.join(" | "));
});

// Two orders from the form to their documents, by pulses, which take seconds: what verifier, operator and reviewer each do.
await scene("review", pictures, async () => {
  const at = "review";
  const bench = "SIM-BENCH-1";
  const everybody = [];
  const signedIn = async (name, word) => {
    const { page, complaints } = await open({ width: 1280, height: 800 });
    everybody.push([name, complaints]);
    await page.goto(`${site}/op/sign-in`);
    await page.fill("[name=name]", name);
    await page.fill("[name=password]", word);
    await page.click("main button[type=submit]");
    await page.waitForURL((url) => !url.pathname.endsWith("/sign-in"));
    return page;
  };
  const sent = (page, button) => Promise.all([page.waitForEvent("load"), button.click()]);
  const fits = async (page) => !(await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth + 1));
  const pictured = async (page, part) => {
    for (const [name, size] of [["phone", { width: 390, height: 844 }], ["desktop", { width: 1280, height: 800 }]]) {
      await page.setViewportSize(size);
      check(`${at}: nothing sticks out of ${part} on a ${name}`, await fits(page));
      await page.screenshot({ path: `${pictures}/review-${part}-${name}.png`, fullPage: true });
    }
  };
  const [operating, verifying, reviewing] = [
    await signedIn("demo", password), await signedIn("demo-verifier", verifier), await signedIn("demo-reviewer", reviewer),
  ];

  const charged = async (order) => {
    const options = async () => {
      await verifying.goto(`${site}${order}`);
      return verifying.locator("#consistency_after select[name=charge] option").evaluateAll((all) => all.map((one) => [one.value, one.textContent]));
    };
    const before = (await options()).length;
    await operating.goto(`${site}/op/piles/${bench}`);
    const form = operating.locator("form:has(button[value=start_charge])");
    await form.locator("[name=name]").fill("BENCH-CARD");
    await sent(operating, form.locator("button"));
    for (let waited = 0; waited < 60_000; waited += 1000) {
      const found = await options();
      if (found.length > before) return found.reduce((newest, one) => (Number(one[0]) > Number(newest[0]) ? one : newest));
      await verifying.waitForTimeout(1000);
    }
    throw new Error(`no charge at ${bench}`);
  };
  const recorded = async (order, code, values) => {
    await verifying.goto(`${site}${order}`);
    const part = verifying.locator(`#${code}`);
    await part.locator("details").evaluate((details) => { details.open = true; });
    for (const [name, value] of Object.entries(values)) {
      const field = part.locator(`[name=${name}]`).first();
      if ((await field.evaluate((element) => element.tagName)) === "SELECT") await field.selectOption(value);
      else await field.fill(value);
    }
    await sent(verifying, part.locator("form button[type=submit]"));
    check(`${at}: ${code} is recorded`, (await verifying.locator(`#${code} details[open]`).count()) === 0, (await verifying.locator("main").innerText()).slice(0, 300));
  };
  const billed = async (order, code) => {
    const [charge, text] = await charged(order);
    await recorded(order, code, { charge, bill_kwh: /([\d.]+) kWh/.exec(text)[1] });
  };
  // From the form to a result that waits for its reviewer; the order's page.
  const measured = async (looks) => {
    await verifying.goto(`${site}/ver/orders/new?pile=${bench}`);
    await verifying.locator("details").evaluateAll((all) => all.forEach((one) => { one.open = true; }));
    const values = { pulse_constant: "1000", warm_up_s: "1", settle_ms: "100", poll_ms: "200", reviewer: "demo-reviewer", verifier: "demo-verifier" };
    for (const [name, value] of Object.entries(values)) {
      const field = verifying.locator(`form [name=${name}]`);
      if (name.endsWith("er")) await field.selectOption(value);
      else await field.fill(value);
    }
    for (let row = 0; (await verifying.locator(`[name=voltage_${row}]`).count()) && (await verifying.inputValue(`[name=voltage_${row}]`)); row += 1) {
      await verifying.fill(`[name=pulses_${row}]`, "200");
      await verifying.fill(`[name=energy_${row}]`, "");
    }
    await sent(verifying, verifying.locator("button[value=make]"));
    const order = new URL(verifying.url()).pathname;
    check(`${at}: an order is made at the form`, /^\/ver\/orders\/VP/.test(order), (await verifying.locator("main").innerText()).slice(0, 300));
    await billed(order, "consistency_before");
    await verifying.goto(`${site}${order}`);
    await sent(verifying, verifying.locator("form[action*='/start'] button"));
    await verifying.waitForSelector(".stage.measured, .stage.abandoned", { timeout: RUN_MS });
    check(`${at}: a run by pulses is measured`, (await verifying.locator("#live").innerText()).includes("imp/kWh"));
    await billed(order, "consistency_after");
    await recorded(order, "conditions", { temperature_c: "23", humidity_percent: "48" });
    const codes = await verifying.locator("#items .item").evaluateAll((all) => all.map((one) => one.id));
    const usual = { seal: { number_0: "SIM-0001", place_0: "表盖", whole: "yes" }, clock: { offset_s: "1.4" } };
    for (const code of codes.filter((one) => one !== "conditions" && !one.startsWith("consistency_"))) {
      await recorded(order, code, usual[code] ?? { good: looks[code] ?? "yes", note: "浏览器" });
    }
    check(`${at}: the verifier does not confirm it`, (await verifying.locator("form[action*='/confirm']").count()) === 0);
    return order;
  };
  // Its reviewer looks and confirms; the page of the document.
  const confirmed = async (order, part) => {
    await reviewing.goto(`${site}${order}`);
    await pictured(reviewing, part);
    await reviewing.fill("form[action*='/confirm'] [name=remarks]", "核验无误");
    await sent(reviewing, reviewing.locator("form[action*='/confirm'] button"));
    await reviewing.goto(`${site}${order}`);
    await sent(reviewing, reviewing.locator("a.button[href*='/c/']"));
    return new URL(reviewing.url()).pathname;
  };

  const certificate = await confirmed(await measured({}), "order");
  check(`${at}: the reviewer's word makes a certificate`, (await reviewing.locator(".worth.valid").count()) === 1, (await reviewing.locator("main").innerText()).slice(0, 200));
  check(`${at}: with the remark`, (await reviewing.locator("main").innerText()).includes("核验无误"));
  await pictured(reviewing, "certificate");

  await verifying.goto(`${site}/ver/piles/${bench}`);
  const asks = verifying.locator("form[action$='/question'], form[action*='/question?']");
  await asks.locator("[name=certificate]").selectOption(certificate.split("/c/")[1]);
  await asks.locator("[name=reason]").selectOption("seal_broken");
  await asks.locator("[name=detail]").fill("SIM-0001 破损");
  await sent(verifying, asks.locator("button"));
  await pictured(verifying, "seals");
  check(`${at}: the pile's record tells the broken seal`, (await verifying.locator("main").innerText()).includes("SIM-0001 破损"));
  await verifying.goto(`${site}${certificate}`);
  check(`${at}: the certificate is in question`, (await verifying.locator(".worth.in_question").count()) === 1 && (await verifying.locator("main").innerText()).includes("SIM-0001 破损"));
  await pictured(verifying, "questioned");
  const stranger = await open({ width: 1280, height: 800 });
  everybody.push(["a stranger", stranger.complaints]);
  await stranger.page.goto(`${site}/p/${bench}`);
  const text = await stranger.page.locator("main").innerText();
  check(`${at}: the pile is shown as in question to everybody`, text.includes("存疑"), text.slice(0, 300));
  const basis = await stranger.page.locator(".state-card .facts").innerText();
  check(`${at}: with what was once, since when and why it does not count, and no validity`, basis.includes("曾检定合格于") && basis.includes("封印破损") && !basis.includes("有效期"), basis);
  await pictured(stranger.page, "pile-in-question");

  const notice = await confirmed(await measured({ appearance: "no" }), "order-failed");
  const page = await reviewing.locator("main").innerText();
  check(`${at}: one bad item makes a notice`, page.includes("检定结果通知书"), page.slice(0, 200));
  check(`${at}: which is not public before the reply window is over`, (await reviewing.locator("main .evidence[role=note]").count()) === 1);
  await pictured(reviewing, "notice");
  const answer = await stranger.context.request.get(`${site}${notice}`);
  check(`${at}: and nobody else sees it`, answer.status() === 404, String(answer.status()));
  for (const [name, complaints] of everybody) {
    check(`${at}: nothing complains to ${name}`, complaints.length === 0, complaints.join(" | "));
  }
});

await end();
