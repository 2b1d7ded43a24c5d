// The list beside the map. It is the server's, with its sentence, order and pages: it stays as it came until the driver moves the map, and
// from then on it is what the same search finds in the part that is looked at, which the sentence says, and the address, too. Called by map.js;
// it orders nothing.

import { fetched, poll, TOO_OFTEN } from "./poll.js";
import { renew } from "./renew.js";
import { answered, unanswered } from "./stale.js";

const box = document.getElementById("map");
const form = document.querySelector("form.filter");
const PARTS = ["asked", "order", "list", "rest"]; // of the page: sentence, order in words, lines, pages
const LINKS = ["a.language", "form.filter a.target"]; // besides, what leads on from the same search: the other language, all operators
const REST_MS = 300; // a map that is still for so long has been moved

let address = location.search; // of the list that is looked for
let settled = address; // of the list that is shown
let turn = 0; // of the newest request

// The same search where the map looks. On from the first page; the place of "near me" still gives distances and order.
function inSight(map) {
  const bounds = map.getBounds();
  const clamp = (value, limit) => Math.max(-limit, Math.min(limit, value)).toFixed(4);
  const query = new URLSearchParams(box.dataset.address);
  query.set("bbox", [clamp(bounds.getWest(), 180), clamp(bounds.getSouth(), 90), clamp(bounds.getEast(), 180), clamp(bounds.getNorth(), 90)]);
  query.set("lang", box.dataset.lang);
  return `?${query}`;
}

// Whether anything is new, or nobody answered.
async function show() {
  turn += 1;
  const [mine, wanted] = [turn, address];
  let page;
  try {
    const answer = await fetched(`/${wanted}`);
    if (!answer.ok) return age() && answer.status !== TOO_OFTEN;
    page = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return age();
  }
  if (mine !== turn) return true;
  answered();
  // In a part of the map it is no condition to be near: the tick goes, and the place stays in the form for the next search.
  const [tick, newest] = [document.getElementById("near-only"), page.getElementById("near-only")];
  if (tick && newest) tick.hidden = newest.hidden;
  // Read aloud to whoever moved the map, not each time that a number is another by itself.
  document.getElementById("asked")?.setAttribute("aria-live", wanted === settled ? "off" : "polite");
  let isNew = false;
  for (const id of PARTS) {
    const [shown, newer] = [document.getElementById(id), page.getElementById(id)];
    if (shown && newer && renew(shown, newer)) isNew = true;
  }
  if (wanted !== settled) settle(wanted, page);
  return isNew;
}

// The page is at the address of what it shows, and whatever goes on from it does so from there: a reload, the address as it is sent to somebody,
// the other language, the next search.
function settle(wanted, page) {
  settled = wanted;
  history.replaceState(history.state, "", wanted);
  for (const link of LINKS) {
    const href = page.querySelector(link)?.getAttribute("href");
    if (href) document.querySelector(link)?.setAttribute("href", href);
  }
  const hidden = "input[type=hidden]";
  for (const field of form.querySelectorAll(hidden)) field.remove();
  form.prepend(...page.querySelectorAll(`form.filter ${hidden}`));
  if (isTyped()) anywhere();
}

// Who types a place looks for it wherever it is, not in the part that is looked at.
const isTyped = () => form.elements.q.value !== form.elements.q.defaultValue;
const anywhere = () => form.elements.bbox?.remove();
form.elements.q.addEventListener("input", anywhere);

// Without a network the list stays, and in time says that it is old. True, as for all that nobody answered.
function age() {
  unanswered("#list");
  return true;
}

const polled = poll(show);

// Lets the list follow a map once a hand, a wheel or a key has been on it; moves that the page itself makes change nothing. Gives whether one
// has been.
export function follow(map) {
  let isTouched = false;
  let timer;
  for (const kind of ["pointerdown", "touchstart", "wheel", "keydown"]) {
    box.addEventListener(kind, () => (isTouched = true), { passive: true, capture: true });
  }
  map.on("moveend", () => {
    if (!isTouched) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      address = inSight(map);
      show();
      polled.soon();
    }, REST_MS);
  });
  return () => isTouched;
}
