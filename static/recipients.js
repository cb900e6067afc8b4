// How many recipients the chosen lists give, asked again whenever the choice changes.
(() => {
  const box = document.querySelector("[data-audience]");
  const told = box?.querySelector("[data-found]");
  if (!told) return;
  let due, asked;
  const ask = async () => {
    asked?.abort();
    const mine = (asked = new AbortController());
    const chosen = new URLSearchParams();
    for (const field of box.querySelectorAll("[name]")) {
      if (field.value && (field.type !== "checkbox" || field.checked)) chosen.append(field.name, field.value);
    }
    if (!chosen.has("lists")) {
      told.textContent = "";
      return;
    }
    told.textContent = told.dataset.counting;
    try {
      const answer = await fetch(`${box.dataset.audience}?${chosen}`, { signal: mine.signal });
      told.textContent = answer.ok ? await answer.text() : "";
    } catch {
      if (asked === mine) told.textContent = "";
    }
  };
  box.addEventListener("input", () => {
    clearTimeout(due);
    due = setTimeout(ask, 300);
  });
  ask();
})();
