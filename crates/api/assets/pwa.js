// Lets the browser keep the last list for when there is no network (sw.js). Everything works without this file.
navigator.serviceWorker?.register("/sw.js").catch(() => {}); // refused, e.g. without encryption: then nothing is kept
