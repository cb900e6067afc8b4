// New messages come into a hidden list. They are shown at once, unless the reader points at the list, is in it with the
// keyboard or has scrolled on: then they wait behind a link, until the reader leaves or follows it.
(() => {
  const part = (id) => document.getElementById(id);
  const mails = part("mails"), fresh = part("fresh");
  const held = () => mails.matches(":hover") || mails.contains(document.activeElement) || mails.scrollTop > 0 || mails.getBoundingClientRect().top < 0;

  function follow() {
    const newest = part("arrivals"), total = newest.dataset.total;
    const waiting = total && total !== mails.dataset.total;
    if (waiting && !held()) {
      mails.replaceChildren(...newest.cloneNode(true).children); // new elements: none of them has moved
      mails.dataset.total = total;
    }
    fresh.hidden = !total || total === mails.dataset.total;
  }

  document.addEventListener("htmx:after:swap", follow);
  for (const name of ["pointerout", "focusout", "scroll"]) document.addEventListener(name, () => setTimeout(follow), { passive: true, capture: true });
})();
