// Reads a chart aloud and in words: point at a bar, or focus the chart and go from bar to bar with the arrow keys.
// The figure holds its numbers; the stream may replace them at any time, so nothing of it is kept here but the place.
(() => {
  const language = document.documentElement, number = new Intl.NumberFormat("en"), tenths = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const pointed = new Map(); // id of a figure: the bar that is being read
  let clock;
  try {
    clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: language.dataset.zone });
  } catch { // the server's zone may have a name that only it knows
    clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
  }

  const figureOf = (target) => target.closest?.("#charts figure[data-readings]");
  const readings = (figure) => JSON.parse(figure.dataset.readings);

  function say(figure, index) {
    const words = JSON.parse(figure.parentElement.dataset.words), all = readings(figure);
    const [place, wide, start, rate, ...counts] = all[Math.min(index, all.length - 1)];
    const parts = counts.map((n, at) => (n ? `${words.results[at]} ${number.format(n)}` : "")).filter(Boolean);
    const speed = words.rate.replace("{n}", rate && rate < 10 ? tenths.format(rate) : number.format(Math.round(rate)));
    const text = [clock.format(start), speed, ...parts].join(" · ");
    figure.dataset.read = "";
    figure.querySelector("output").textContent = text;
    figure.querySelector(".cursor").setAttribute("d", `M${place - 0.5} 0H${place + wide - 0.5}V98H${place - 0.5}Z`);
    const range = figure.querySelector("input");
    range.value = index;
    range.setAttribute("aria-valuetext", text);
  }

  function read(figure, index) {
    pointed.set(figure.id, index);
    say(figure, index);
  }

  function leave(figure) {
    pointed.delete(figure.id);
    delete figure.dataset.read;
    figure.querySelector("output").textContent = "";
    figure.querySelector(".cursor").setAttribute("d", "");
  }

  document.addEventListener("pointermove", (event) => {
    const figure = figureOf(event.target);
    for (const id of [...pointed.keys()]) {
      const other = document.getElementById(id);
      if (other && other !== figure && !other.contains(document.activeElement)) leave(other);
    }
    if (!figure || event.target.localName !== "input") return;
    const box = event.target.getBoundingClientRect(), at = ((event.clientX - box.x) / box.width) * figure.dataset.places;
    let nearest = 0, least = Infinity;
    readings(figure).forEach(([place, wide], index) => {
      const off = Math.abs(place + wide / 2 - at);
      if (off < least) [nearest, least] = [index, off];
    });
    read(figure, nearest);
  });
  document.addEventListener("input", (event) => figureOf(event.target) && read(figureOf(event.target), Number(event.target.value)));
  document.addEventListener("focusin", (event) => figureOf(event.target) && read(figureOf(event.target), Number(event.target.value)));
  document.addEventListener("focusout", (event) => figureOf(event.target) && leave(figureOf(event.target)));
  document.addEventListener("htmx:after:swap", () => {
    for (const [id, index] of pointed) {
      const figure = document.getElementById(id);
      if (figure?.dataset.readings) say(figure, index);
    }
  });
})();
