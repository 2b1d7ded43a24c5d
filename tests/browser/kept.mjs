// What the service worker keeps, page by page: sw.js with a store, a network and a clock that are made up here, in no browser. That a browser
// takes it so is in drivers.mjs.
// Usage: node kept.mjs
import { readFileSync } from "node:fs";
import { createContext, runInContext } from "node:vm";
import { check, tell } from "./count.mjs";

const SITE = "https://piles.example";
const script = readFileSync(new URL("../../crates/api/assets/sw.js", import.meta.url), "utf8");

// A worker with an empty store. `network` answers: a text, a status, a promise, or a failure.
function worker({ languages = ["zh-CN"], keepsNothing = false } = {}) {
  const stores = new Map();
  const open = async (name) => {
    if (keepsNothing) throw new Error("storage is refused");
    if (!stores.has(name)) stores.set(name, new Map());
    const kept = stores.get(name);
    const whole = (key) => new URL(key.url ?? key, SITE).href;
    return {
      addAll: async () => {},
      match: async (key) => kept.get(whole(key))?.clone(),
      put: async (key, answer) => kept.set(whole(key), new Response(await answer.text(), answer)),
      delete: async (key) => kept.delete(whole(key)),
      keys: async () => [...kept.keys()].map((url) => ({ url })),
    };
  };
  const listeners = {};
  const at = { network: () => "", timers: [], kept: () => [...(stores.get("veripile-2") ?? new Map()).keys()].map((url) => url.slice(SITE.length)) };
  const self = {
    addEventListener: (kind, listener) => (listeners[kind] = listener), skipWaiting: async () => {}, location: new URL(SITE),
    clients: { claim: async () => {}, matchAll: async () => [] },
  };
  const context = createContext({
    self, URL, Response, console, navigator: { languages },
    caches: { open, keys: async () => [...stores.keys()], delete: async (name) => stores.delete(name) },
    fetch: async (request) => {
      const answer = await at.network(new URL(request.url ?? request));
      return typeof answer === "number" ? new Response("", { status: answer }) : new Response(answer, { headers: { date: "Fri, 27 Nov 2026 08:00:00 GMT" } });
    },
    setTimeout: (run) => at.timers.push(run),
  });
  runInContext(script, context);
  // What is answered to a page that is opened, once all is kept; null: the worker leaves it to the browser, or there is none.
  at.ask = (path, { mode = "navigate", method = "GET" } = {}) => {
    const waited = [];
    let answer;
    listeners.fetch({
      request: { url: SITE + path, method, mode }, waitUntil: (promise) => waited.push(promise), respondWith: (promise) => (answer = promise),
    });
    const told = (async () => {
      const text = await answer?.then((one) => one.text(), () => null);
      return text ?? null;
    })();
    return { told, kept: () => Promise.all(waited) };
  };
  at.open = async (path, options) => {
    const { told, kept } = at.ask(path, options);
    const text = await told;
    await kept();
    return text;
  };
  return at;
}

const turns = async () => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((done) => setImmediate(done));
};
const online = ({ pathname, search }) => `<html lang="zh-CN"><p class="offline" hidden><time></time></p>${pathname}${search}`;
const offline = () => Promise.reject(new TypeError("no network"));
const shows = (text, path) => text?.endsWith(path) && !text.includes("hidden") && text.includes("2026");

{
  const at = worker();
  at.network = online;
  for (const path of ["/s/S1?lang=zh", "/s/S1?page=2&lang=zh", "/s/S1?page=2&lang=en", "/p/P1?lang=en"]) await at.open(path);
  at.network = offline;
  for (const path of ["/s/S1?lang=zh", "/s/S1?page=2&lang=zh", "/s/S1?page=2&lang=en", "/p/P1?lang=en"]) {
    const text = await at.open(path);
    check(`kept: ${path} is what was opened there`, shows(text, path), text);
  }
  check("kept: the first page has no number, or 1", shows(await at.open("/s/S1?page=1&lang=zh"), "/s/S1?lang=zh"));
  check("kept: without a language it is the browser's", shows(await at.open("/s/S1"), "/s/S1?lang=zh") && (await at.open("/p/P1")) === null);
  for (const path of ["/s/S1?page=3&lang=zh", "/s/S1?lang=en", "/p/P1?lang=zh", "/p/P2?lang=en"]) check(`kept: ${path} was never opened, and is not made up`, (await at.open(path)) === null);
}
{
  const at = worker({ languages: ["en-GB", "zh-CN"] });
  at.network = online;
  await at.open("/p/P1");
  at.network = offline;
  check("kept: an English browser's page is English", shows(await at.open("/p/P1?lang=en"), "/p/P1") && (await at.open("/p/P1?lang=zh")) === null);
}
{
  const at = worker();
  at.network = online;
  await at.open("/?kind=dc&lang=zh");
  for (let n = 1; n <= 30; n += 1) for (const page of [1, 2]) await at.open(`/s/S${n}?page=${page}&lang=zh`);
  const pages = at.kept().filter((path) => path !== "/");
  check("kept: forty pages, the newest, and the list", pages.length === 40 && pages[0] === "/s/S11?lang=zh&page=1" && at.kept().length === 41, at.kept().join(" "));
  await at.open("/s/S11?lang=zh", { mode: "cors" });
  await at.open("/s/S31?lang=zh");
  check("kept: what a page that stays open asks for is new", at.kept().includes("/s/S11?lang=zh&page=1") && !at.kept().includes("/s/S11?lang=zh&page=2"), at.kept().join(" "));
  at.network = () => 502;
  await at.open("/s/S31?lang=zh");
  at.network = offline;
  check("kept: no failure takes a page's place", shows(await at.open("/s/S31?lang=zh"), "/s/S31?lang=zh"));
}
{
  const at = worker();
  at.network = online;
  await at.open("/p/P1?lang=zh");
  let answer;
  at.network = () => new Promise((done) => (answer = done));
  const { told, kept } = at.ask("/p/P1?lang=zh");
  await turns();
  at.timers.shift()?.();
  check("late: whoever has a kept page does not wait for ever", shows(await told, "/p/P1?lang=zh"));
  answer("it came");
  await kept();
  at.network = offline;
  check("late: what came all the same is kept", (await at.open("/p/P1?lang=zh")) === "it came");
  at.network = () => new Promise((done) => (answer = done));
  at.timers.length = 0;
  const first = at.ask("/p/P9?lang=zh");
  await turns();
  answer("slow");
  check("late: a page that was never kept is waited for", at.timers.length === 0 && (await first.told) === "slow");
}
{
  const at = worker({ keepsNothing: true });
  at.network = () => "from the server";
  check("no storage: pages come from the server", (await at.open("/p/P1?lang=zh")) === "from the server" && (await at.open("/assets/site.css")) === "from the server");
}
{
  const at = worker();
  at.network = online;
  for (const path of ["/op", "/ver/orders", "/p/P1/report", "/s/S1/x"]) await at.open(path);
  await at.open("/p/P1?lang=zh", { method: "POST" });
  check("kept: nothing else", at.kept().length === 0, at.kept().join(" "));
}

tell();
