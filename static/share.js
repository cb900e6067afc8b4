// The dialog of share links: it opens again after one was created or revoked, and copies a link.
(() => {
  if (location.hash === "#share") {
    document.getElementById("share").showModal();
    history.replaceState(null, "", location.pathname + location.search);
  }
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = !navigator.clipboard; // browsers offer it to https and to this computer
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.firstChild.textContent = button.dataset.copied;
    });
  }
})();
