// The list of recipients is swapped while its filter is typed: the address bar names what is shown, and the
// focus does not fall off the page with a link that was pressed.
(() => {
  let shown = document.getElementById("list");
  document.addEventListener("htmx:after:swap", () => {
    const list = document.getElementById("list");
    if (list === shown) return;
    shown = list;
    history.replaceState(null, "", list.dataset.address);
    if (document.activeElement === document.body) list.focus({ preventScroll: true });
  });
})();
