// The mark that says how far this page can be trusted: Live, Reconnecting, Paused or Stale, with its age.
(() => {
  const STALE_MS = 6000; // the server beats every 2 seconds
  const MARKS = {
    live: ["dot", "Live"],
    reconnecting: ["back", "Reconnecting"],
    away: ["back", "Reconnecting"],
    paused: ["bars", "Paused"],
    stale: ["alert", "Stale"],
  };
  const box = document.getElementById("live");
  const [shape, word, age, button] = ["use", "b", ".age", "button"].map((part) => box.querySelector(part));
  let state = "reconnecting", heard = Date.now(), paused = false, connection = null;

  function show() {
    const silent = Date.now() - heard;
    const mark = paused ? "paused" : state === "live" && silent > STALE_MS ? "stale" : state;
    const seconds = Math.round(silent / 1000);
    const old = seconds < 3 ? "up to date" : seconds < 100 ? `${seconds} s old` : `${Math.round(seconds / 60)} min old`;
    if (box.dataset.mark !== mark) {
      box.dataset.mark = mark;
      shape.setAttribute("href", `#shape-${MARKS[mark][0]}`);
      word.textContent = MARKS[mark][1];
    }
    const text = mark === "away" ? "queue away, read every 2 s" : old;
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

  box.addEventListener("beat", (event) => hear(event.detail.data));
  box.addEventListener("htmx:sse:before:connection", (event) => {
    connection = event.detail.connection;
    if (connection.attempt > 0) lose();
  });
  box.addEventListener("htmx:sse:before:message", (event) => {
    if (paused) event.preventDefault();
  });
  for (const name of ["htmx:sse:error", "htmx:sse:close", "htmx:error"]) box.addEventListener(name, lose);

  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", paused);
    button.textContent = paused ? "Resume live" : "Pause live";
    if (!paused) connection?.reader?.cancel(); // a new connection begins with all that was missed
    show();
  });

  // The server writes times in the reader's zone from the next page on.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = `tz=${zone}; path=/; max-age=31536000; samesite=lax`;
  setInterval(show, 1000);
  show();
})();
