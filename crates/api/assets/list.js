// The list beside the map. It is the server's, with its sentence, order and pages: it stays as it came until the driver moves the map, and
// from then on it is what the same search finds in the part that is looked at, which the sentence says. Called by map.js; it orders nothing.

import { poll } from "./poll.js";
import { answered, unanswered } from "./stale.js";

const box = document.getElementById("map");
const PARTS = ["asked", "order", "list", "rest"]; // of the page: sentence, order in words, lines, pages
const REST_MS = 300; // a map that is still for so long has been moved

let address = location.search; // of the list that is shown
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
  const mine = turn;
  let page;
  try {
    const answer = await fetch(`/${address}`);
    if (!answer.ok) return age();
    page = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return age();
  }
  if (mine !== turn) return true;
  // In a part of the map it is no condition to be near: the tick goes, and the place stays in the form for the next search.
  const [tick, newest] = [document.getElementById("near-only"), page.getElementById("near-only")];
  if (tick && newest) tick.hidden = newest.hidden;
  answered();
  let isNew = false;
  for (const id of PARTS) {
    const [shown, newer] = [document.getElementById(id), page.getElementById(id)];
    // Nothing is replaced under a reader's hand unless it says something new.
    if (!shown || !newer || shown.innerHTML === newer.innerHTML) continue;
    const held = shown.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    shown.replaceChildren(...newer.childNodes);
    if (held) [...shown.querySelectorAll("a")].find((a) => a.getAttribute("href") === held)?.focus();
    isNew = true;
  }
  return isNew;
}

// Without a network the list stays, and in time says that it is old. True, as for all that nobody answered.
function age() {
  unanswered("#list");
  return true;
}

const polled = poll(show);

// Lets the list follow a map once a hand, a wheel or a key has been on it; moves that the page itself makes change nothing.
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
}
