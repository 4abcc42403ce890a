// Who asked for it hears the newest error of a log; lines as such are not read out, they may come by the thousand.
const voice = Object.assign(document.createElement("div"), { className: "sr", role: "alert" });
document.body.append(voice);
new MutationObserver((changes) => {
  const fresh = changes.flatMap(({ addedNodes }) => [...addedNodes]).filter((node) => node.nodeType === Node.ELEMENT_NODE);
  const bad = fresh
    .flatMap((node) => (node.matches(".l-error") ? [node] : [...node.querySelectorAll(".l-error")]))
    .filter((line) => line.closest("[role=log]"))
    .pop();
  if (bad) voice.textContent = bad.querySelector(".l-text").textContent.slice(0, 200);
}).observe(document.querySelector("main"), { childList: true, subtree: true });
