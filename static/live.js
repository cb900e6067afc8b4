// The mark that says how far this page can be trusted: Live, Reconnecting, Paused or Stale, with its age.
(() => {
  const STALE_MS = 4000; // the server beats every 2 seconds
  const SHAPES = { live: "dot", reconnecting: "back", away: "back", paused: "bars", stale: "alert" };
  const box = document.getElementById("live");
  const words = JSON.parse(box.dataset.words); // in the page's language
  const [shape, word, age, button] = ["use", "b", ".age", "button"].map((part) => box.querySelector(part));
  let state = "reconnecting", heard = Date.now(), paused = false, connection = null;

  function show() {
    const silent = Date.now() - heard;
    const mark = paused ? "paused" : state === "live" && silent > STALE_MS ? "stale" : state;
    const seconds = Math.round(silent / 1000);
    const old = seconds < 3 ? words.fresh : seconds < 100 ? words.seconds.replace("{n}", seconds) : words.minutes.replace("{n}", Math.round(seconds / 60));
    if (box.dataset.mark !== mark) {
      box.dataset.mark = mark;
      shape.setAttribute("href", `#shape-${SHAPES[mark]}`);
      word.textContent = words[mark];
    }
    const text = mark === "away" ? words.reads : old;
    if (age.textContent !== text) age.textContent = text;
  }

  function hear(next) {
    if (paused) return;
    state = next;
    heard = Date.now();
    show();
  }

  function lose() {
    state = "reconnecting";
    show();
  }

  document.addEventListener("beat", (event) => hear(event.detail.data));
  document.addEventListener("htmx:sse:before:connection", (event) => {
    connection = event.detail.connection;
    if (connection.attempt > 0) lose();
  });
  document.addEventListener("htmx:sse:before:message", (event) => {
    if (paused) event.preventDefault();
  });
  for (const name of ["htmx:sse:error", "htmx:sse:close"]) document.addEventListener(name, lose);
  document.addEventListener("htmx:error", (event) => {
    if (event.target.hasAttribute?.("hx-sse:connect")) lose();
  });

  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", paused);
    button.textContent = paused ? words.resume : words.pause;
    if (!paused) connection?.reader?.cancel(); // a new connection begins with all that was missed
    show();
  });

  setInterval(show, 500);
  show();
})();
