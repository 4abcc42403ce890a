// The settings page: every choice is kept with the account and takes effect at once.
import { applyChoices, applyTimes, showTheme, toast } from "./console.js";

// The browser knows the names of all zones; a page that lists them would be ten times as long.
const zones = document.querySelector("[data-zones]");
for (const name of zones ? Intl.supportedValuesOf("timeZone") : [])
  if (name !== "UTC") zones.append(new Option(name.replaceAll("_", " "), name));

const token = document.querySelector("meta[name=csrf-token]").content;
for (const field of document.querySelectorAll("[data-setting]")) {
  const stored = localStorage.getItem(field.dataset.setting) || field.dataset.default;
  if (field.type === "radio") field.checked = field.value === stored;
  else if (field.type === "checkbox") field.checked = stored !== "off";
  else field.value = stored;
  field.addEventListener("change", () => {
    const value = field.type !== "checkbox" ? field.value : field.checked ? "on" : "off";
    localStorage.setItem(field.dataset.setting, value);
    fetch("/ui/settings", {
      method: "POST",
      headers: { "X-CSRFToken": token, "X-Fragment": "1" },
      body: new URLSearchParams({ name: field.dataset.setting, value }),
    }).then((answer) => toast(answer.ok ? "Saved" : "This could not be saved.", answer.ok ? "" : "bad"));
    showTheme();
    applyChoices();
    applyTimes();
  });
}
