// Plays a campaign's course: the numbers come once, the results of a moment when somebody looks at it.
(async () => {
  const TAIL_MS = 250, CALM_MS = 1000;
  const form = document.getElementById("replay"), range = document.getElementById("at"), play = document.getElementById("play");
  const lasts = document.querySelector("#lasts select"), moment = document.getElementById("moment");
  const words = JSON.parse(form.dataset.words), path = location.pathname;
  const course = await (await fetch(`${path}.json`)).json();
  const sums = (changes) => { let n = 0; return changes.map((change) => (n += change)); };
  const counts = Object.fromEntries(Object.entries(course.counts).map(([state, changes]) => [state, sums(changes)]));
  const last = course.rates.length - 1;
  const language = form.dataset.locale, number = new Intl.NumberFormat(language);
  const tenths = new Intl.NumberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const rects = [...document.querySelectorAll("rect[data-state]")], numbers = [...document.querySelectorAll("[data-count]")];
  const DONE = new Set(["sent", "failed", "unknown", "suppressed"]);
  const head = document.getElementById("head"); // on the chart, if there is one
  const at = (state, frame) => counts[state]?.[frame] ?? 0;
  let clock, playing = false, position = Number(range.value), drawn = -1, before = 0, asked = 0, timer = 0;
  try {
    clock = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium", timeZone: form.dataset.zone });
  } catch { // the server's zone may have a name that only it knows
    clock = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
  }

  function draw(frame) {
    if (frame === drawn) return;
    drawn = frame;
    const wide = rects.map((rect) => at(rect.dataset.state, frame)).map((n) => (n ? Math.max((n * 1000) / course.total, 4) : 0));
    const scale = 1000 / (wide.reduce((a, b) => a + b, 0) || 1);
    let x = 0;
    rects.forEach((rect, i) => {
      rect.setAttribute("x", x);
      rect.setAttribute("width", wide[i] * scale);
      x += wide[i] * scale;
    });
    let ended = 0;
    for (const cell of numbers) {
      const n = at(cell.dataset.count, frame);
      if (DONE.has(cell.dataset.count)) ended += n;
      cell.textContent = number.format(n);
      cell.parentElement.classList.toggle("none", !n);
    }
    const part = (ended * 100) / course.total; // written as on the other pages: 0% and 100% only when it is so
    const some = (part < 0.1 ? "<" : "") + tenths.format(Math.min(Math.max(part, 0.1), 99.9));
    const share = words.share.replace("{n}", !ended ? "0" : ended < course.total ? some : "100");
    const rate = course.rates[frame]; // written as on the other pages, too
    document.getElementById("ended").textContent = number.format(ended);
    document.getElementById("share").textContent = share;
    document.getElementById("window").textContent = frame < course.minute ? words.start : words.minute;
    document.getElementById("rate").textContent = words.rate.replace("{n}", rate && rate < 10 ? tenths.format(rate) : number.format(Math.round(rate)));
    moment.textContent = clock.format(course.begun + frame * course.step);
    if (head) head.setAttribute("transform", `translate(${(1000 * frame) / (last || 1)})`);
    range.value = frame;
    range.setAttribute("aria-valuetext", `${moment.textContent}, ${share}`);
    timer ||= setTimeout(ask, TAIL_MS);
  }

  async function ask() {
    const mine = ++asked, frame = drawn;
    try {
      const answer = await fetch(`${path}/tail?at=${frame}`);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("tail");
      if (mine === asked && fresh) document.getElementById("tail").replaceWith(fresh);
    } finally {
      timer = frame === drawn ? 0 : setTimeout(ask, TAIL_MS);
    }
  }

  function step(now) {
    if (!playing) return;
    if (!calm.matches || now - before >= CALM_MS) {
      position = Math.min(last, position + ((now - before) * last) / (lasts.value * 1000));
      before = now;
      draw(Math.floor(position));
    }
    if (position >= last) set(false);
    else requestAnimationFrame(step);
  }

  function set(on) {
    playing = on;
    play.textContent = on ? words.stop : words.play;
    if (!on) return history.replaceState(null, "", `?at=${drawn}`);
    if (position >= last) position = 0;
    before = performance.now();
    requestAnimationFrame(step);
  }

  play.addEventListener("click", () => set(!playing));
  range.addEventListener("input", () => draw((position = Number(range.value))));
  range.addEventListener("change", () => playing || history.replaceState(null, "", `?at=${drawn}`));
  form.addEventListener("submit", (event) => event.preventDefault());
  draw(position);
})();
