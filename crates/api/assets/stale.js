// What a page that stays open tells of statuses once nobody answers any more: they are of when they came. Called by list.js and page.js
// with each answer, and with each request that got none.

const STALE_MS = 600_000; // as on the server: a status older than this says nothing of now

let told = Date.now(); // when the newest answer came, at first the page itself

export function answered() {
  told = Date.now();
  document.querySelector("p.offline").hidden = true;
}

// After ten minutes without an answer nothing is free now: statuses below `part` go grey and tell of when they are, and so does the page's note.
export function unanswered(part) {
  const note = document.querySelector("p.offline");
  if (Date.now() - told <= STALE_MS || !note.hidden) return;
  const at = new Date(told);
  const when = at.toLocaleString(document.documentElement.lang, { timeZone: "Asia/Shanghai" });
  const time = note.querySelector("time");
  [time.dateTime, time.textContent] = [at.toISOString(), when];
  note.hidden = false;
  for (const status of document.querySelectorAll(`${part} .live`)) {
    const word = status.textContent.split(" · ").slice(0, -1);
    status.className = "stale";
    status.textContent = [...word, when].join(" · ");
  }
}
