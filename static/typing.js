// A form marked data-typing asks before what was typed in it is lost, and counts the lines of a list.
(() => {
  const { lang } = document.documentElement;
  for (const form of document.querySelectorAll("form[data-typing]")) {
    let typed = form.dataset.typing === "kept";
    form.addEventListener("input", () => (typed = true));
    for (const kept of ["submit", "saved"]) form.addEventListener(kept, () => (typed = false));
    addEventListener("beforeunload", (event) => typed && event.preventDefault());
  }
  for (const count of document.querySelectorAll("[data-lines-of]")) {
    const box = document.getElementById(count.dataset.linesOf);
    const tell = () => {
      const n = box.value.split("\n").filter((line) => line.trim()).length;
      const text = n === 1 ? count.dataset.one : count.dataset.many;
      count.textContent = n ? text.replace("%(n)s", n.toLocaleString(lang)) : "";
    };
    let due;
    box.addEventListener("input", () => {
      clearTimeout(due);
      due = setTimeout(tell, box.value.length > 100_000 ? 300 : 0);
    });
    tell();
  }
})();
