// The list of recipients. It is swapped while its filter is typed: the address bar names what is shown, and the focus
// does not fall off the page with a link that was pressed. While a campaign is being sent its first page follows the
// newest results: they come into a hidden table, and are shown unless the reader is at the rows or has scrolled on.
(() => {
  const HEAD = 56; // px that the page's head covers
  let list = document.getElementById("list"), left = false;
  const part = (id) => document.getElementById(id);

  function held(rows) {
    const selected = getSelection();
    return left || rows.matches(":hover") || rows.contains(document.activeElement) || (!selected.isCollapsed && rows.contains(selected.anchorNode));
  }

  function follow() {
    const shown = part("shown"), newest = part("newest"), line = part("following");
    if (!shown || !newest?.dataset.attempts) return;
    const fresh = newest.dataset.attempts - shown.dataset.attempts, [hint, link] = line.children;
    if (fresh && !held(shown)) {
      shown.replaceChildren(...newest.cloneNode(true).children); // new elements: none of them has moved
      shown.dataset.attempts = newest.dataset.attempts;
    }
    const waiting = newest.dataset.attempts - shown.dataset.attempts;
    if (waiting) link.textContent = line.dataset.words.replace("{n}", waiting.toLocaleString("en"));
    hint.hidden = waiting > 0;
    link.hidden = !waiting;
  }

  document.addEventListener("htmx:after:swap", () => {
    const now = part("list");
    if (now !== list) {
      list = now;
      history.replaceState(null, "", list.dataset.address);
      if (document.activeElement === document.body) list.focus({ preventScroll: true });
      if (left) part("shown")?.scrollIntoView();
      left = false;
    }
    follow();
  });
  document.addEventListener("scroll", () => {
    const shown = part("shown");
    if (shown && shown.getBoundingClientRect().top < HEAD) left = true;
  }, { passive: true });
  for (const name of ["pointerout", "focusout"]) document.addEventListener(name, () => setTimeout(follow));
})();
