// The operators' pages stay up to date: parts marked data-live are fetched anew. Without this script a reload does the same.
const EVERY_MS = 3000;

async function refresh() {
  if (document.hidden || document.activeElement?.closest("[data-live]") || document.querySelector("[data-live] details[open]")) return;
  const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live][id]")) {
    const other = fresh.getElementById(part.id);
    if (other && other.innerHTML !== part.innerHTML) part.replaceWith(other);
  }
  document.documentElement.dataset.refreshed = String(Date.now());
}

setInterval(() => refresh().catch(() => {}), EVERY_MS);
