// Keeps the last list of the front page and the last pages of stations and piles, for whoever has no network. With a network it changes
// nothing: pages always come from the server. It touches no other page: nothing behind a sign-in is ever kept.

const STORE = "veripile-1";
const LIST = "/"; // one list is kept, the last, whatever was asked and whether the page or its script asked
const PAGES_MAX = 40; // stations and piles kept, the newest: an evening's search
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

// What a page is kept as; nothing of a page that is not.
function keyOf(url) {
  if (url.pathname === LIST) return LIST;
  return /^\/[ps]\/[^/]+$/.test(url.pathname) ? url.pathname : undefined;
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  const key = keyOf(url);
  if (key && request.mode === "navigate") event.respondWith(page(event, key));
  else if (key === LIST) event.respondWith(list(event));
  else if (url.pathname.startsWith("/assets/") || url.pathname === "/mini-map.svg") event.respondWith(asset(event, url));
});

// A status that the page heard of lately: its word, if it has one, and its age.
const STATUS = /class="live(?: free)?">(?:([^<]*) · )?[^<]*</g;

// The page from the network; else the one that was kept, with a note that says when it was. Then nothing is free now: statuses go grey and
// tell of when they are.
async function page(event, key) {
  const store = await caches.open(STORE);
  try {
    const answer = await fetch(event.request);
    event.waitUntil(keepGood(store, key, answer.clone()));
    return answer;
  } catch (failure) {
    const kept = await store.match(key);
    if (!kept) throw failure;
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

// The list that the page's script asks for: after a move of the map it is the last, and while nothing moves the newest. Without a network
// the script has what it shows, and says so itself.
async function list(event) {
  const answer = await fetch(event.request);
  const copy = answer.clone();
  event.waitUntil(caches.open(STORE).then((store) => keepGood(store, LIST, copy)));
  return answer;
}

async function keepGood(store, key, answer) {
  if (answer.ok && !answer.redirected) await keep(store, key, answer);
}

async function keep(store, key, answer) {
  await store.delete(key);
  await store.put(key, answer);
  const pages = (await store.keys()).filter((one) => /^\/[ps]\//.test(new URL(one.url).pathname));
  for (const one of pages.slice(0, Math.max(0, pages.length - PAGES_MAX))) await store.delete(one);
}

// A style sheet or picture from the network; else as it was kept.
async function asset(event, url) {
  const store = await caches.open(STORE);
  try {
    const answer = await fetch(event.request);
    if (answer.ok) event.waitUntil(store.put(url.pathname, answer.clone()));
    return answer;
  } catch (failure) {
    const kept = await store.match(url.pathname);
    if (!kept) throw failure;
    return kept;
  }
}
