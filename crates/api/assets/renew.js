// Puts what the server says now in the place of what is shown, and touches nothing else: what stays the same keeps the focus, what is selected
// or unfolded, how far it is scrolled, and the place of whoever has it read aloud. Called by list.js and page.js.

// Whether anything was new below `shown`.
export function renew(shown, newer) {
  const held = shown.contains(document.activeElement) ? document.activeElement : null;
  const isNew = below(shown, newer);
  if (held && !held.isConnected) refocus(shown, held);
  return isNew;
}

// What cannot be another thing that happens to be in the same place: a link leads where it led.
const isSame = (one, other) => one.nodeName === other.nodeName && ["id", "href"].every((name) => one.getAttribute?.(name) === other.getAttribute?.(name));

function below(shown, newer) {
  const [olds, news] = [[...shown.childNodes], [...newer.childNodes]];
  if (olds.length === news.length) return olds.map((one, place) => become(one, news[place])).includes(true);
  // Something came or went: what stands before and behind it stays.
  const least = Math.min(olds.length, news.length);
  let [head, tail] = [0, 0];
  while (head < least && olds[head].isEqualNode(news[head])) head += 1;
  while (tail < least - head && olds[olds.length - 1 - tail].isEqualNode(news[news.length - 1 - tail])) tail += 1;
  const next = olds[olds.length - tail] ?? null;
  for (const one of olds.slice(head, olds.length - tail)) one.remove();
  for (const one of news.slice(head, news.length - tail)) shown.insertBefore(one, next);
  return true;
}

// Whether that was new.
function become(one, other) {
  if (one.isEqualNode(other)) return false;
  if (!isSame(one, other)) {
    one.replaceWith(other);
    return true;
  }
  if (one.nodeType !== Node.ELEMENT_NODE) {
    one.nodeValue = other.nodeValue;
    return true;
  }
  const isFolded = (name) => name === "open" && one.localName === "details"; // the reader's, not the server's
  let isNew = false;
  for (const name of new Set([...one.getAttributeNames(), ...other.getAttributeNames()])) {
    if (isFolded(name) || one.getAttribute(name) === other.getAttribute(name)) continue;
    isNew = true;
    if (other.hasAttribute(name)) one.setAttribute(name, other.getAttribute(name));
    else one.removeAttribute(name);
  }
  return below(one, other) || isNew;
}

// Whoever was at something that went is at the same thing where it is now, or at the start of the part.
function refocus(shown, held) {
  const [href, label] = ["href", "aria-label"].map((name) => held.getAttribute(name));
  const isIt = (one) => one.getAttribute("href") === href && one.getAttribute("aria-label") === label;
  const now = (href ?? label) === null ? undefined : [...shown.querySelectorAll(held.localName)].find(isIt);
  if (!now) shown.setAttribute("tabindex", "-1");
  (now ?? shown).focus({ preventScroll: true });
}
