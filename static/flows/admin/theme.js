// The admin site and the console share one choice between light, dark and the system's: whichever was made last counts.
(() => {
  const KEY = "adminTheme";
  const words = { system: "auto", auto: "auto", light: "light", dark: "dark" };
  const chosen = words[localStorage.getItem("theme")] || "auto";
  localStorage.setItem(KEY, JSON.stringify(chosen));
  const keep = () => {
    const now = JSON.parse(localStorage.getItem(KEY) || '"auto"');
    if (now !== chosen && words[now]) localStorage.setItem("theme", now === "auto" ? "system" : now);
  };
  addEventListener("pagehide", keep);
})();
