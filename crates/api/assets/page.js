// The page of a station or a pile that stays open says what holds now: statuses age by the minute, a state ends with its certificate. It is
// the server's, asked for each minute while somebody looks. Without this script a reload does the same.

import { fetched, poll } from "./poll.js";
import { renew } from "./renew.js";
import { answered, unanswered } from "./stale.js";

const EVERY_MS = 60_000;

async function newest() {
  const answer = await fetched(location.pathname + location.search, { Accept: "text/html" });
  if (!answer.ok || answer.redirected) return null;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return page.querySelector("main > article");
}

async function show() {
  const [shown, newer] = [document.querySelector("main > article"), await newest().catch(() => null)];
  if (!shown || !newer) return unanswered("main");
  answered();
  renew(shown, newer);
}

poll(show, EVERY_MS, EVERY_MS);
