// The picture of an execution: larger and smaller, search, follow what runs, and the picture as a file.
const one = (selector, from = document) => from.querySelector(selector);
const canvas = () => one("#live-body.canvas");
// `zoom` is what the reader wants, `drawn` the size at which the browser has laid out the picture; 0 fits the width.
let zoom = 0,
  drawn = 0,
  settling = 0;

function resize() {
  const picture = one(".topology", canvas());
  clearTimeout(settling);
  if (!picture) return;
  drawn = zoom;
  canvas().classList.toggle("fit", !zoom);
  picture.style.transform = picture.style.willChange = "";
  const box = picture.viewBox.baseVal;
  picture.setAttribute("width", box.width * (zoom || 1));
  picture.setAttribute("height", box.height * (zoom || 1));
}
// A new size lays out every text of the picture again: while the zoom moves it is only stretched, and drawn sharply afterwards.
function stretch(picture, frame) {
  const width = picture.viewBox.baseVal.width,
    indent = (size) => Math.max(0, (frame.width - size) / 2);
  picture.style.willChange = "transform";
  picture.style.transformOrigin = "0 0";
  picture.style.transform = `translateX(${indent(width * zoom) - indent(width * drawn)}px) scale(${zoom / drawn})`;
  clearTimeout(settling);
  settling = setTimeout(resize, 150);
}
function change(step, at) {
  const picture = one(".topology", canvas());
  if (!picture) return;
  const box = canvas(),
    frame = box.getBoundingClientRect();
  if (!zoom) {
    zoom = picture.getBoundingClientRect().width / picture.viewBox.baseVal.width;
    resize();
  }
  const before = zoom,
    old = picture.getBoundingClientRect();
  zoom = Math.min(3, Math.max(0.1, zoom * step));
  stretch(picture, frame);
  // What is under the pointer, or in the middle, stays where it is.
  const fresh = picture.getBoundingClientRect(),
    x = at ? at.clientX : frame.left + frame.width / 2,
    y = at ? at.clientY : frame.top + frame.height / 2;
  box.scrollBy(fresh.left - x + ((x - old.left) * zoom) / before, fresh.top - y + ((y - old.top) * zoom) / before);
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-zoom]");
  if (button?.dataset.zoom === "fit") {
    zoom = 0;
    resize();
  } else if (button) change(button.dataset.zoom === "in" ? 1.25 : 0.8);
  const kind = event.target.closest("[data-export]")?.dataset.export;
  if (kind) save(kind);
});
document.addEventListener(
  "wheel",
  (event) => {
    if (!event.ctrlKey || !event.target.closest("#live-body.canvas")) return;
    event.preventDefault();
    change(event.deltaY < 0 ? 1.1 : 0.9, event);
  },
  { passive: false },
);
let drag = null;
document.addEventListener("pointerdown", (event) => {
  if (event.button === 0 && event.target.closest("#live-body.canvas") && !event.target.closest("[role=button],a"))
    drag = { x: event.clientX, y: event.clientY, left: canvas().scrollLeft, top: canvas().scrollTop };
});
document.addEventListener("pointermove", (event) => {
  if (drag) canvas().scrollTo(drag.left + drag.x - event.clientX, drag.top + drag.y - event.clientY);
});
document.addEventListener("pointerup", () => (drag = null));

const show = (node) =>
  node?.scrollIntoView({
    block: "center",
    inline: "center",
    behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth",
  });
one("#find-node")?.addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  const nodes = [...document.querySelectorAll(".topology [data-task]")];
  nodes.forEach((node) => node.classList.toggle("is-lit", !!wanted && node.dataset.task.toLowerCase().includes(wanted)));
  show(nodes.find((node) => node.classList.contains("is-lit")));
});
document.addEventListener("parts", (event) => {
  if (zoom && one(".topology", event.target)) resize();
  if (one("#follow-running")?.checked) show(one(".topology .node.is-moving"));
});
one("#follow-running")?.addEventListener("change", () => show(one(".topology .node.is-moving")));

// A file has no style sheet of ours, so what the page computes is written into each element.
const KEPT = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-opacity",
  "stroke-dasharray",
  "stroke-linecap",
  "stroke-linejoin",
  "opacity",
  "font-family",
  "font-size",
  "font-weight",
  "text-anchor",
  "text-decoration",
];
function copy() {
  const picture = one(".topology", canvas()),
    twin = picture.cloneNode(true);
  const old = picture.querySelectorAll("*"),
    fresh = twin.querySelectorAll("*");
  old.forEach((node, index) => {
    const style = getComputedStyle(node);
    for (const name of KEPT) if (style.getPropertyValue(name)) fresh[index].setAttribute(name, style.getPropertyValue(name));
  });
  twin.removeAttribute("style");
  twin.querySelectorAll(".fold").forEach((node) => node.remove());
  const { width, height } = picture.viewBox.baseVal,
    ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, value] of Object.entries({ width, height, fill: getComputedStyle(document.body).backgroundColor }))
    ground.setAttribute(name, value);
  twin.prepend(ground);
  twin.setAttribute("width", width);
  twin.setAttribute("height", height);
  return { text: new XMLSerializer().serializeToString(twin), width, height };
}
function offer(href, kind) {
  const link = document.createElement("a");
  link.href = href;
  link.download = `${document.title.split(" ")[0]}.${kind}`;
  link.click();
}
async function save(kind) {
  const { text, width, height } = copy(),
    address = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
  if (kind === "svg") return offer(URL.createObjectURL(new Blob([text], { type: "image/svg+xml" })), "svg");
  const image = new Image();
  image.src = address;
  await image.decode();
  const paper = Object.assign(document.createElement("canvas"), { width: width * 2, height: height * 2 });
  paper.getContext("2d").drawImage(image, 0, 0, width * 2, height * 2);
  paper.toBlob((blob) => offer(URL.createObjectURL(blob), "png"));
}
