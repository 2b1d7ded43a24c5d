// Keeps the last list of the front page and the last pages of stations and piles, for whoever has no network. With a network it changes
// nothing: pages always come from the server. It touches no other page: nothing behind a sign-in is ever kept.

const STORE = "veripile-2"; // another number where pages are kept under other names
const LIST = "/"; // one list is kept, the last, whatever was asked and whether the page or its script asked
const PAGES_MAX = 40; // of stations and piles kept, each language by itself, the newest: an evening's search
const WAIT_MS = 10_000; // for an answer where there is a kept one: in a garage a network may be there that answers nobody
const ASSETS = ["/assets/site.css", "/assets/icon.svg"];

self.addEventListener("install", (event) =>
  event.waitUntil(caches.open(STORE).then((store) => store.addAll(ASSETS)).then(() => self.skipWaiting())));

self.addEventListener("activate", (event) =>
  event.waitUntil((async () => {
    for (const name of await caches.keys()) if (name !== STORE) await caches.delete(name);
    await self.clients.claim();
    // The page of a very first visit was there before this script was.
    const store = await caches.open(STORE);
    for (const { url } of await self.clients.matchAll({ type: "window" })) {
      const key = keyOf(new URL(url));
      if (key && !(await store.match(key))) await fetch(url).then((answer) => keepGood(store, key, answer), () => {});
    }
  })()));

// What a page is kept as: its path, language and page of its list; nothing of a page that is not.
function keyOf(url) {
  if (url.pathname === LIST) return LIST;
  const [, kind] = /^\/([ps])\/[^/]+$/.exec(url.pathname) ?? [];
  const page = kind === "s" ? Number(url.searchParams.get("page")) || 1 : 1;
  return kind && `${url.pathname}?lang=${languageOf(url)}&page=${page}`;
}

// As the server finds it: by the address, else by the first of its languages that the browser asks for.
function languageOf(url) {
  const told = [...url.searchParams.getAll("lang"), ...(navigator.languages ?? [navigator.language ?? ""])];
  return told.map((tag) => tag.toLowerCase().split(/[-_]/)[0]).find((one) => one === "zh" || one === "en") ?? "zh";
}

// None where the browser keeps nothing; then pages come from the server, as ever.
const opened = () => caches.open(STORE).catch(() => undefined);

// What was asked, or a failure where it is late.
const inTime = (asked) =>
  Promise.race([asked, new Promise((_, refuse) => setTimeout(() => refuse(new Error("no answer in time")), WAIT_MS))]);

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  const key = keyOf(url);
  if (key && request.mode === "navigate") event.respondWith(page(event, key));
  else if (key) event.respondWith(news(event, key));
  else if (url.pathname.startsWith("/assets/") || url.pathname === "/mini-map.svg") event.respondWith(asset(event, url));
});

// A status that the page heard of lately: its word, if it has one, and its age.
const STATUS = /class="live(?: free)?">(?:([^<]*) · )?[^<]*</g;

// The page from the network; else, or where that takes too long, the one that was kept, with a note that says when it was. Then nothing is
// free now: statuses go grey and tell of when they are.
async function page(event, key) {
  const asked = news(event, key);
  const kept = await (await opened())?.match(key);
  if (!kept) return asked;
  try {
    return await inTime(asked);
  } catch {
    const at = new Date(kept.headers.get("date"));
    const page = await kept.text();
    const language = /<html lang="([^"]+)"/.exec(page)?.[1];
    const when = at.toLocaleString(language ?? "zh-CN", { timeZone: "Asia/Shanghai" });
    const text = page
      .replace('<p class="offline" hidden', '<p class="offline"')
      .replace("<time></time>", `<time datetime="${at.toISOString()}">${when}</time>`)
      .replace(STATUS, (_, word) => `class="stale">${word === undefined ? "" : `${word} · `}${when}<`);
    return new Response(text, { headers: kept.headers });
  }
}

// A page from the network, which is kept. So is what the page's script asks for: after a move of the map it is the last list, and while
// nothing moves the newest. Without a network the script has what it shows, and says so itself.
function news(event, key) {
  const asked = fetch(event.request);
  event.waitUntil(asked.then(async (answer) => {
    const copy = answer.clone();
    await keepGood(await opened(), key, copy);
  }).catch(() => {}));
  return asked;
}

async function keepGood(store, key, answer) {
  if (store && answer.ok && !answer.redirected) await keep(store, key, answer);
}

async function keep(store, key, answer) {
  await store.delete(key);
  await store.put(key, answer);
  const pages = (await store.keys()).filter((one) => /^\/[ps]\//.test(new URL(one.url).pathname));
  for (const one of pages.slice(0, Math.max(0, pages.length - PAGES_MAX))) await store.delete(one);
}

// A style sheet, script or picture from the network; else, or where that takes too long, as it was kept.
async function asset(event, url) {
  const asked = fetch(event.request);
  event.waitUntil(asked.then(async (answer) => {
    const copy = answer.clone();
    if (answer.ok) await (await opened())?.put(url.pathname, copy);
  }).catch(() => {}));
  const kept = await (await opened())?.match(url.pathname);
  return kept ? inTime(asked).catch(() => kept) : asked;
}
