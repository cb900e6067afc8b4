// A file may be dropped where it may be chosen, and one that is too large is told before it travels. A preview whose
// reading was changed is shown again by its own button.
(() => {
  for (const form of document.querySelectorAll("form[data-drop]")) {
    const [area, file] = [form.querySelector(".drop"), form.querySelector("[type=file]")];
    const large = form.querySelector("#file-large");
    const over = (on) => area.classList.toggle("over", on);
    function judge() {
      const tooLarge = file.files[0]?.size > +form.dataset.most;
      large.lastElementChild.textContent = tooLarge ? form.dataset.large : "";
      large.hidden = !tooLarge;
      return !tooLarge;
    }
    file.addEventListener("change", judge);
    form.addEventListener("dragover", (event) => (event.preventDefault(), over(true)));
    form.addEventListener("dragleave", () => over(false));
    form.addEventListener("drop", (event) => {
      event.preventDefault();
      over(false);
      if (!event.dataTransfer.files.length) return;
      file.files = event.dataTransfer.files;
      if (judge()) form.requestSubmit();
    });
    form.addEventListener("submit", (event) => {
      if (!judge()) return event.preventDefault();
      const button = form.querySelector("button");
      button.textContent = form.dataset.busy;
      button.setAttribute("aria-disabled", "true");
    });
  }
  document.getElementById("columns")?.addEventListener("change", ({ target, currentTarget }) => {
    if (target.matches("[data-look]")) currentTarget.requestSubmit(currentTarget.querySelector("[value=look]"));
  });
})();
