// The page of an order follows its run: the part that changes is fetched anew each second while the run goes on and the page is
// looked at. Where the forms change too the whole page is loaded, unless something was typed. Without this script a link does it.
const EVERY_MS = 1000;
const FAILURES_MAX = 10;

const address = location.pathname.replace(/\/$/, "") + "/live" + location.search;
let failures = 0;

function isTyping() {
  const controls = document.querySelectorAll("main form input:not([type=hidden]), main form textarea, main form select");
  return [...controls].some((control) =>
    control === document.activeElement ||
    (control.type === "file" ? control.files.length > 0 :
      control.options ? [...control.options].some((option) => option.selected !== option.defaultSelected && control.selectedIndex > 0) :
        control.value !== control.defaultValue));
}

async function refresh() {
  const live = document.getElementById("live");
  if (document.hidden || !live) return;
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
  if (!fresh) return;
  const hasChanged = fresh.dataset.phase !== live.dataset.phase;
  const scrolled = [...live.querySelectorAll(".scroll")].map((part) => [part.scrollLeft, part.scrollTop]);
  if (fresh.innerHTML !== live.innerHTML) live.replaceWith(fresh);
  fresh.querySelectorAll(".scroll").forEach((part, index) => {
    if (scrolled[index]) [part.scrollLeft, part.scrollTop] = scrolled[index];
  });
  document.documentElement.dataset.refreshed = String(Date.now());
  if (!hasChanged) return;
  if (isTyping()) document.getElementById("changed").hidden = false;
  else location.reload();
}

async function follow() {
  try {
    if (document.querySelector("#live[data-running]")) await refresh();
    failures = 0;
  } catch {
    failures += 1;
  }
  if (failures < FAILURES_MAX) setTimeout(follow, EVERY_MS);
}

setTimeout(follow, EVERY_MS);
