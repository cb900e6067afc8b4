// The mark that says how far this page can be trusted: Live, Reconnecting, Updates paused or Stale, with its age.
// HTTP/1.1 gives a browser six connections to one host, over all tabs. So a tab that is seen takes one of a few places
// and keeps a stream open; those that find none ask for its beginning again and again, until a place is free.
(() => {
  const STALE_MS = 4000; // the server beats every 2 seconds
  const CALM_MS = 1500; // a page that is loading is no cause for alarm
  const PLACES = 4, SEEK_MS = 100, AGAIN_MS = 4000;
  const ONCE = "Volley-Once"; // a header
  const SHAPES = { connecting: "dot", live: "dot", reconnecting: "back", away: "back", shared: "back", paused: "bars", stale: "alert" };
  const box = document.getElementById("live");
  const words = JSON.parse(box.dataset.words); // in the page's language
  const [shape, word, age, button] = ["use", "b", ".age", "button"].map((part) => box.querySelector(part));
  const sign = button.querySelector("use");
  let state = "connecting", heard = Date.now(), paused = false, connection = null, request = null;
  let place = null; // true: taken, false: all are, null: not known yet, or nobody sees this tab
  let leave = () => {}, stopSeeking = () => {}, counting = false;

  const places = navigator.locks ? null : new BroadcastChannel("places for a stream");

  const streams = (element) => element?.hasAttribute?.("hx-sse:connect");

  function show() {
    const silent = Date.now() - heard;
    const most = place === false ? 2 * AGAIN_MS + STALE_MS : STALE_MS;
    if (state === "connecting" && silent > CALM_MS) state = "reconnecting";
    const mark = paused ? "paused" : state !== "live" ? state : silent > most ? "stale" : place === false ? "shared" : "live";
    const seconds = Math.round(silent / 1000);
    const old = seconds < 3 ? (mark === "live" ? words.fresh : "") : seconds < 100 ? words.seconds.replace("{n}", seconds) : words.minutes.replace("{n}", Math.round(seconds / 60));
    if (box.dataset.mark !== mark) {
      box.dataset.mark = mark;
      shape.setAttribute("href", `#shape-${SHAPES[mark]}`);
      word.textContent = words[mark];
    }
    const text = { connecting: "", away: words.reads, shared: words.again }[mark] ?? old;
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

  function connectNow() {
    connection?.reader?.cancel(); // a new connection begins with all that was missed
    connection?.delayCanceller?.();
  }

  function behave() {
    if (request) place ? delete request.headers[ONCE] : (request.headers[ONCE] = "1");
    if (!connection) return;
    const config = connection.config;
    config.usual ??= [config.reconnectDelay, config.reconnectMaxDelay, config.reconnectJitter];
    [config.reconnectDelay, config.reconnectMaxDelay, config.reconnectJitter] = place === false ? [AGAIN_MS, AGAIN_MS, 0.1] : config.usual;
  }

  function seat(taken) {
    const first = place === null;
    place = taken;
    behave();
    if (first) for (const element of document.querySelectorAll("[hx-sse\\:connect]")) htmx.trigger(element, "seated");
    if (taken) connectNow();
    show();
  }

  function seek() {
    if (!navigator.locks) return count();
    const others = new AbortController();
    stopSeeking = () => others.abort();
    for (let n = 0; n < PLACES; n++) {
      navigator.locks.request(`place ${n} of ${PLACES} for a stream`, { signal: others.signal }, () => {
        if (others.signal.aborted) return null;
        others.abort();
        return new Promise((free) => {
          leave = free;
          seat(true);
        });
      }).catch(() => {}); // another place was free before, or the tab is hidden
    }
    setTimeout(() => others.signal.aborted || seat(false), SEEK_MS);
  }

  // http from another machine has no locks: whoever has a place, or counts, says so when another asks.
  function count() {
    let taken = 0;
    const hear = ({ data }) => (taken += data === "here");
    const decide = () => {
      stopSeeking();
      if (taken < PLACES) seat(true);
      else if (place === null) seat(false);
    };
    const timer = setTimeout(decide, SEEK_MS);
    counting = true;
    stopSeeking = () => {
      counting = false;
      clearTimeout(timer);
      places.removeEventListener("message", hear);
    };
    places.addEventListener("message", hear);
    places.postMessage("who");
    leave = () => place && places.postMessage("left");
  }

  function countAgain() {
    if (place === false && !counting) count();
  }

  function see() {
    stopSeeking();
    leave();
    place = null;
    if (!document.hidden) seek();
  }

  function leaveAt(status) {
    if (status === 401) location.reload(); // the session has ended: the sign-in page comes
  }

  document.addEventListener("beat", (event) => hear(event.detail.data));
  document.addEventListener("htmx:config:request", (event) => {
    if (!streams(event.detail.ctx.sourceElement)) return;
    if (place === null) return event.preventDefault(); // "seated" follows
    request = event.detail.ctx.request;
    behave();
  });
  document.addEventListener("htmx:sse:before:connection", (event) => {
    connection = event.detail.connection;
    behave();
    if (connection.attempt > 0 && place !== false) lose();
  });
  document.addEventListener("htmx:sse:before:message", (event) => {
    if (paused) event.preventDefault();
  });
  for (const name of ["htmx:sse:error", "htmx:sse:close"]) document.addEventListener(name, lose);
  document.addEventListener("htmx:sse:error", (event) => leaveAt(event.detail.status));
  document.addEventListener("htmx:response:error", (event) => leaveAt(event.detail.ctx.response.status));
  document.addEventListener("htmx:error", (event) => {
    if (streams(event.target)) lose();
  });
  document.addEventListener("visibilitychange", see);
  places?.addEventListener("message", ({ data }) => {
    if (data === "who" && (place || counting)) places.postMessage("here");
    if (data === "left") setTimeout(countAgain, SEEK_MS * 10 * Math.random()); // not all at once
  });
  if (places) setInterval(countAgain, AGAIN_MS * (1 + Math.random())); // a tab that crashed says nothing
  addEventListener("pagehide", () => places && leave());

  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.title = button.ariaLabel = paused ? words.resume : words.pause;
    sign.setAttribute("href", paused ? "#shape-play" : "#shape-bars");
    if (!paused) connectNow();
    show();
  });

  setInterval(show, 500);
  see();
})();
