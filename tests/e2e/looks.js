() => {
  // What a person would see going wrong on this page: things outside the window, things on top of each other, controls without a name.
  const faults = [];
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) {
    const wide = [...document.querySelectorAll("body *")].filter((node) => node.getBoundingClientRect().right > innerWidth + 1);
    const scrolls = (node) => node && node !== document.body && (getComputedStyle(node).overflowX !== "visible" || scrolls(node.parentElement));
    const culprit = wide.find((node) => !scrolls(node.parentElement)) ?? wide[0];
    faults.push(`wider than the window by ${root.scrollWidth - innerWidth} px: ${culprit ? describe(culprit) : "?"}`);
  }
  if (document.querySelectorAll("h1").length !== 1) faults.push(`${document.querySelectorAll("h1").length} headings of the first level`);
  if (!document.title.trim()) faults.push("no title");

  function describe(node) {
    const words = (node.textContent || node.getAttribute("aria-label") || node.getAttribute("name") || "").trim().replace(/\s+/g, " ").slice(0, 40);
    const kind = typeof node.className === "string" && node.className ? `.${node.className.trim().split(/\s+/).join(".")}` : "";
    return `<${node.tagName.toLowerCase()}${kind}> "${words}"`;
  }

  // Layers lie above the page on purpose, and the text editor and zoomed drawings place their parts themselves.
  // The date and time fields of the admin bring their own small calendar links.
  const APART = ".datetimeshortcuts, .vDateField, .vTimeField, dialog:not([open]), [hidden], .ace_editor, .toasts, #log-follow, .skip, .drawer, .pop, .sr-only, .visually-hidden, details.pick";
  const layers = new WeakMap();
  function isLayered(node) {
    if (!node || node === root) return false;
    if (!layers.has(node)) {
      const place = getComputedStyle(node).position;
      layers.set(node, place === "fixed" || place === "sticky" || isLayered(node.parentElement));
    }
    return layers.get(node);
  }
  const clips = new WeakMap();
  function clipOf(node) {
    if (!node || node === root) return null;
    if (!clips.has(node)) {
      const outer = clipOf(node.parentElement);
      const cuts = node.tagName === "svg" || getComputedStyle(node).overflow !== "visible";
      clips.set(node, cuts ? meet(node.getBoundingClientRect(), outer) : outer);
    }
    return clips.get(node);
  }
  function meet(box, clip) {
    if (!clip) return { left: box.left, top: box.top, right: box.right, bottom: box.bottom };
    return {
      left: Math.max(box.left, clip.left), top: Math.max(box.top, clip.top),
      right: Math.min(box.right, clip.right), bottom: Math.min(box.bottom, clip.bottom),
    };
  }
  const isSeen = (node) => !node.closest(APART) && node.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const isBox = (box) => box.right - box.left > 2 && box.bottom - box.top > 2;

  function report(kind, parts, slack) {
    parts.sort((a, b) => a.box.top - b.box.top);
    for (let i = 0; i < parts.length; i += 1) {
      for (let j = i + 1; j < parts.length && parts[j].box.top < parts[i].box.bottom - slack; j += 1) {
        const [a, b] = [parts[i], parts[j]];
        const across = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
        const down = Math.min(a.box.bottom, b.box.bottom) - b.box.top;
        if (across <= slack || down <= slack || a.node === b.node || a.node.contains(b.node) || b.node.contains(a.node)) continue;
        faults.push(`${kind} ${describe(a.node)} and ${describe(b.node)} overlap by ${Math.round(across)}x${Math.round(down)} px`);
        if (faults.length > 8) return;
      }
    }
  }

  const controls = [];
  for (const node of document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")) {
    if (node.closest("svg") || !isSeen(node) || isLayered(node)) continue;
    // A slider of which only the knob can be taken lets the hand through everywhere else.
    if (getComputedStyle(node).pointerEvents === "none") continue;
    for (const rect of node.getClientRects()) {
      const box = meet(rect, clipOf(node.parentElement));
      if (isBox(box)) controls.push({ node, box });
    }
  }
  report("controls", controls, 3);

  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  while (walker.nextNode() && texts.length < 4000) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || ["SCRIPT", "STYLE", "OPTION", "TITLE", "TEXTAREA"].includes(node.tagName)) continue;
    if (node.tagName === "title" || !isSeen(node) || isLayered(node)) continue;
    range.selectNodeContents(walker.currentNode);
    const clip = clipOf(node);
    for (const rect of range.getClientRects()) {
      // A line is taller than its letters.
      const middle = { left: rect.left, right: rect.right, top: rect.top + rect.height * 0.22, bottom: rect.bottom - rect.height * 0.22 };
      const box = meet(middle, clip);
      if (isBox(box)) texts.push({ node, box });
    }
  }
  report("texts", texts, 2);

  const hasName = (node) => node.innerText || node.ariaLabel || node.title || node.labels?.length || node.placeholder || node.getAttribute("aria-labelledby");
  for (const node of document.querySelectorAll("button, a[href], input:not([type=hidden]), select, textarea")) {
    if (hasName(node) || ["submit", "button", "image"].includes(node.type) && (node.value || node.alt)) continue;
    if (node.querySelector("title, img[alt]") || node.closest("[hidden], [aria-hidden=true], .ace_editor, .datetimeshortcuts") || !node.checkVisibility()) continue;
    faults.push(`no name: ${node.outerHTML.slice(0, 160)}`);
  }
  return faults.slice(0, 12);
}
