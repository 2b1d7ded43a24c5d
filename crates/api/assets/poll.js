// Asks again and again for as long as somebody looks: soon where something changed or was moved, late where nothing does. Many drivers may
// share one address, and what it may ask in a minute. Used by map.js, list.js and page.js; what is asked, and what becomes of it, is theirs.

const SOON_MS = 30_000; // statuses age by the minute
const LATE_MS = 60_000;
const ANSWER_MS = 20_000; // for an answer: a network may be there and answer nobody, and must not be the end of all asking

// Whoever is told that is not to ask again soon (RFC 6585).
export const TOO_OFTEN = 429;

// An answer, or a failure where it takes too long.
export const fetched = (address, headers = {}) => fetch(address, { headers, signal: AbortSignal.timeout?.(ANSWER_MS) });

// `ask` says whether to ask again soon: something is new, or nobody answered. Gives `soon`, for who has moved.
export function poll(ask, soonMs = SOON_MS, lateMs = LATE_MS) {
  let timer;
  let due;
  let isAsking = false;
  function wait(ms) {
    clearTimeout(timer);
    due = performance.now() + ms;
    timer = setTimeout(next, ms);
  }
  async function next() {
    // Out of sight nothing is asked; whoever comes back is told at once.
    if (document.hidden || isAsking) return;
    isAsking = true;
    const isSoon = await ask().catch(() => true);
    isAsking = false;
    wait(isSoon ? soonMs : lateMs);
  }
  document.addEventListener("visibilitychange", () => due <= performance.now() && next());
  for (const change of ["online", "offline"]) addEventListener(change, next);
  wait(soonMs);
  return { soon: () => !isAsking && due > performance.now() + soonMs && wait(soonMs) };
}
