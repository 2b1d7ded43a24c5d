// Lets the browser keep the last list for when there is no network (sw.js). Everything works without this file.

const LATEST_MS = 10_000; // a map that is not drawn by then does not come

// On a first visit it starts a process of its own and reads the page once more: not before the map is drawn.
let isRegistered = false;
function register() {
  if (isRegistered) return;
  isRegistered = true;
  navigator.serviceWorker?.register("/sw.js").catch(() => {}); // refused, e.g. without encryption: then nothing is kept
}

const box = document.getElementById("map");
new MutationObserver(register).observe(box, { attributeFilter: ["data-map-idle"] });
setTimeout(register, LATEST_MS);
if (box.hasAttribute("data-map-idle")) register();
