// The lines before and after the window of a log, put in when the reader comes near; what is read stays where it is.
import { ask, build, one, put, settle, trim } from "./logs.js";

export async function putNeighbours(box, earlier) {
  let found = await ask(earlier ? { before: box.dataset.firstId } : { later: box.dataset.nextId });
  while (found && box.isConnected) {
    const anchor = earlier ? one(".l", box) : [...box.getElementsByClassName("l")].pop(),
      before = anchor?.getBoundingClientRect().top;
    // The browser would keep the place as well, and both together move twice.
    box.style.overflowAnchor = "none";
    const fresh = found.parts.flatMap(([, html]) => build(html));
    if (earlier) {
      const chunk = document.createElement("div");
      chunk.className = "l-chunk";
      chunk.append(...fresh);
      box.prepend(chunk);
      box.dataset.firstId = found.first;
      trim(box, false);
    } else {
      if (fresh.length) put(box, fresh);
      box.dataset.nextId = found.next;
      trim(box, true);
    }
    if (anchor?.isConnected) box.scrollTop += anchor.getBoundingClientRect().top - before;
    requestAnimationFrame(() => (box.style.overflowAnchor = ""));
    settle();
    // At the end: what was written while this was on its way comes with one more question.
    found = !earlier && !found.next && found.last ? await ask({ later: found.last }) : null;
    if (!found?.parts.length) found = null;
  }
}
