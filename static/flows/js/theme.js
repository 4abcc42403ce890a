// Sets the theme before the first paint; loaded blocking on purpose, so that nothing flashes.
(() => {
  const wanted = localStorage.getItem("theme") || "system";
  const dark = wanted === "dark" || (wanted === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  if (localStorage.getItem("nav") === "narrow") document.documentElement.classList.add("narrow");
})();
