// What the checks in a real browser share: the browser, a page whose complaints are kept, and a scene, in which what breaks is one more
// failure with a picture instead of the end of all that follows. Called by pages.mjs, drivers.mjs, ground.mjs and file.mjs; map.mjs and pictures.mjs
// take the browser alone. It knows no page of the site.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { check, tell } from "./count.mjs";

export { check };

export const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const IDLE_MS = 60_000;
// Under load a page takes its time: what takes longer than this does not come.
const WAIT_MS = 60_000;

let opened = [];

export const launch = () => chromium.launch({
  executablePath: "/usr/bin/chromium",
  timeout: 2 * WAIT_MS, // a first start reads some 300 MB from the disk
  args: [
    "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});

let browser;

// A page in a context of its own, and what it complains of: errors told to the console, broken policies, requests that failed but
// those that `isDue` tells of.
export async function open(size, options = {}, isDue = () => false) {
  browser ??= await launch();
  const context = await browser.newContext({ viewport: size, locale: "zh-CN", ...options });
  context.setDefaultTimeout(WAIT_MS);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("requestfailed", (request) => isDue(request) || complaints.push(`${request.url()} ${request.failure()?.errorText}`));
  await page.addInitScript(() =>
    document.addEventListener("securitypolicyviolation", (event) => console.error(`CSP ${event.violatedDirective} ${event.blockedURI}`)));
  opened.push({ context, page });
  return { context, page, complaints };
}

// One scene after the other; `pictures` is the folder for the pages of one that broke.
export async function scene(name, pictures, play) {
  opened = [];
  console.log(`-- ${name}`);
  try {
    await play();
  } catch (error) {
    check(`${name}: it plays to its end`, false, error.stack ?? String(error));
    for (const [n, { page }] of opened.entries()) {
      if (page.isClosed()) continue;
      console.log(`        ${page.url()}`);
      await page.screenshot({ path: `${pictures}/broken-${name.replaceAll(" ", "-")}-${n}.png`, timeout: WAIT_MS }).catch(() => {});
    }
  }
  for (const { context } of opened) await context.close().catch(() => {});
}

export async function end() {
  await browser?.close();
  tell();
}
