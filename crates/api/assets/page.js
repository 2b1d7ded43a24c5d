// The page of a station or a pile that stays open says what holds now: statuses age by the minute, a state ends with its certificate. Its
// cards are the server's, asked for each minute while somebody looks. Without this script a reload does the same.

import { poll } from "./poll.js";
import { answered, unanswered } from "./stale.js";

const EVERY_MS = 60_000;

// Nothing is replaced under a reader's hand unless it says something new; and no table that is being read by keys.
function renew(shown, newer) {
  const held = shown.contains(document.activeElement) ? document.activeElement : null;
  const href = held?.getAttribute("href");
  if (shown.outerHTML === newer.outerHTML || (held && !href)) return;
  const scrolled = [...shown.querySelectorAll(".scroll")].map((part) => part.scrollLeft);
  shown.replaceWith(newer);
  newer.querySelectorAll(".scroll").forEach((part, place) => (part.scrollLeft = scrolled[place] ?? 0));
  if (href) [...newer.querySelectorAll("a")].find((a) => a.getAttribute("href") === href)?.focus({ preventScroll: true });
}

async function newest() {
  const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok || answer.redirected) return null;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return page.querySelector("main > article");
}

async function show() {
  const [shown, newer] = [document.querySelector("main > article"), await newest().catch(() => null)];
  if (!shown || !newer) return unanswered("main");
  answered();
  // Card by card; where there are others than before, all.
  const cards = [[...shown.children], [...newer.children]];
  if (cards[0].length !== cards[1].length) renew(shown, newer);
  else cards[0].forEach((card, place) => renew(card, cards[1][place]));
}

poll(show, EVERY_MS, EVERY_MS);
