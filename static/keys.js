// Keys for those who like them: / to search, j and k from row to row, p for the live stream, ? for help.
// One key may mean something else to speech input, so they can be switched off (WCAG 2.1.4).
(() => {
  const help = document.getElementById("keys");
  const off = help.querySelector("[name=keys-off]");
  const opener = document.querySelector("[data-keys]");
  const rows = () => [...document.querySelectorAll("main .rows tbody tr:not(.day), main .campaigns > li, #mails > li")].filter((row) => row.offsetParent);

  function move(step) {
    const all = rows();
    const at = all.findIndex((row) => row.contains(document.activeElement));
    const row = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)];
    if (!row) return;
    const link = row.querySelector("a[href]");
    if (!link) row.tabIndex = -1; // a row that leads nowhere can still be read
    (link ?? row).focus();
  }

  const keys = {
    "/": () => document.querySelector("main input[type=search]")?.focus(),
    j: () => move(1),
    k: () => move(-1),
    p: () => document.querySelector("#live button:not([hidden])")?.click(),
    "?": () => help.showModal(),
  };

  off.checked = localStorage.getItem("keys") === "off";
  off.addEventListener("change", () => localStorage.setItem("keys", off.checked ? "off" : "on"));
  opener.hidden = false;
  opener.addEventListener("click", () => help.showModal());
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable], dialog");
    if (off.checked || typing || event.ctrlKey || event.altKey || event.metaKey || event.isComposing || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
})();
