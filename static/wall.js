// A campaign as a wall of cells, one for each recipient: a pixel each in a small image, drawn large without smoothing.
(() => {
  const MOST = 100000, LARGEST = 280, GLOW_MS = 700, GAP_FROM = 4, SHAPE_FROM = 22, UNREAD = 46;
  const URGENT = ["unknown", "failed", "deferred", "sending", "queued", "canceled", "suppressed", "sent"]; // what a shared cell shows
  const QUIET = new Set(["queued", "sent", "canceled"]); // their shapes are faint, so that trouble is seen first
  const wall = document.getElementById("wall"), canvas = wall.querySelector("canvas"), room = canvas.parentElement;
  const pen = canvas.getContext("2d"), small = document.createElement("canvas"), dots = small.getContext("2d", { willReadFrequently: true });
  const states = JSON.parse(wall.dataset.states), words = JSON.parse(wall.dataset.words);
  const scale = document.getElementById("scale"), under = document.getElementById("under");
  const number = new Intl.NumberFormat(document.documentElement.lang);
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const codes = Object.keys(states).map((letter) => letter.charCodeAt(0)), name = (code) => states[String.fromCharCode(code)];
  const rank = new Uint8Array(128);
  for (const code of codes) rank[code] = URGENT.indexOf(name(code));
  let runs = [], cells = new Uint8Array(), each = 1, shown = 0, columns = 1, rows = 1, cell = 1;
  let image = null, pixels = null, colours = [], shapes = [], stamps = [], tile = null, glowing = new Map(), planned = false;

  // The tones come from the stylesheet, so that the wall is the legend's own colours in light and dark.
  function look() {
    colours[UNREAD] = [128, 128, 128];
    const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    for (const code of codes) {
      const sample = document.querySelector(`.legend [data-state="${name(code)}"]`);
      probe.fillStyle = getComputedStyle(sample.querySelector("i")).backgroundColor;
      probe.fillRect(0, 0, 1, 1);
      colours[code] = probe.getImageData(0, 0, 1, 1).data;
      const symbol = document.querySelector(sample.querySelector("use").getAttribute("href"));
      shapes[code] = [...symbol.querySelectorAll("path")].map((path) => new Path2D(path.getAttribute("d")));
      for (const circle of symbol.querySelectorAll("circle")) {
        const ring = new Path2D();
        ring.arc(...["cx", "cy", "r"].map((part) => Number(circle.getAttribute(part))), 0, 2 * Math.PI);
        shapes[code].push(ring);
      }
    }
  }

  // As many columns as let the cells be largest: whole pixels where there is room for a gap.
  function divide(width, height) {
    const size = (n) => Math.min(LARGEST * (devicePixelRatio || 1), width / n, height / Math.ceil(shown / n));
    const whole = (n) => (size(n) >= GAP_FROM ? Math.floor(size(n)) : size(n));
    const idle = (n) => Math.ceil(shown / n) * n - shown;
    columns = 1;
    for (let n = 2; n <= Math.min(shown, 2 * Math.ceil(Math.sqrt((shown * width) / height))); n += 1)
      if (whole(n) > whole(columns) || (whole(n) === whole(columns) && idle(n) <= idle(columns))) columns = n;
    rows = Math.max(1, Math.ceil(shown / columns));
    cell = whole(columns);
  }

  function lay() {
    each = Math.max(1, Math.ceil(cells.length / MOST));
    shown = Math.ceil(cells.length / each);
    const dpr = devicePixelRatio || 1;
    divide(room.clientWidth * dpr, room.clientHeight * dpr);
    small.width = columns;
    small.height = rows;
    canvas.width = Math.floor(columns * cell);
    canvas.height = Math.floor(rows * cell);
    canvas.hidden = false;
    canvas.style.width = `${canvas.width / dpr}px`;
    image = dots.createImageData(columns, rows);
    pixels = image.data;
    tile = cell >= GAP_FROM ? pen.createPattern(rounded(), "repeat") : null;
    if (cell >= SHAPE_FROM) for (const code of codes) stamps[code] = stamp(shapes[code], QUIET.has(name(code)) ? 0.55 : 1);
    for (let at = 0; at < shown; at += 1) dab(at, 0);
    scale.textContent = each > 1 ? words.many.replace("{n}", number.format(each)) : words.each;
    plan();
  }

  function code(at) {
    if (each === 1) return cells[at];
    let worst = cells[at * each];
    for (let i = at * each + 1; i < Math.min(cells.length, (at + 1) * each); i += 1) if (rank[cells[i]] < rank[worst]) worst = cells[i];
    return worst;
  }

  function dab(at, glow) {
    const colour = colours[code(at)], i = at * 4;
    pixels[i] = colour[0] + (255 - colour[0]) * glow;
    pixels[i + 1] = colour[1] + (255 - colour[1]) * glow;
    pixels[i + 2] = colour[2] + (255 - colour[2]) * glow;
    pixels[i + 3] = 255;
  }

  function plan() {
    if (!planned) requestAnimationFrame(draw);
    planned = true;
  }

  function draw(now) {
    planned = false;
    for (const [at, since] of glowing) {
      const age = (now - since) / GLOW_MS;
      dab(at, age < 1 ? 0.65 * (1 - age) : 0);
      if (age >= 1) glowing.delete(at);
    }
    dots.putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(small, 0, 0, canvas.width, canvas.height);
    if (tile) cut();
    if (cell >= SHAPE_FROM) draft();
    if (glowing.size) plan();
  }

  function rounded() {
    const gap = Math.max(1, Math.round(cell / 14)), drawn = document.createElement("canvas");
    drawn.width = drawn.height = cell;
    const brush = drawn.getContext("2d");
    brush.roundRect(0, 0, cell - gap, cell - gap, cell < 9 ? 0 : cell / 7);
    brush.fill();
    return drawn;
  }

  function cut() {
    pen.globalCompositeOperation = "destination-in";
    pen.fillStyle = tile;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.globalCompositeOperation = "source-over";
  }

  function draft() {
    for (let at = 0; at < shown; at += 1) {
      const found = stamps[code(at)];
      if (found) pen.drawImage(found, (at % columns) * cell, Math.floor(at / columns) * cell);
    }
  }

  function stamp(paths, strength) {
    const drawn = document.createElement("canvas"), zoom = (cell * 0.46) / 16, from = (cell * 13 / 14 - 16 * zoom) / 2;
    drawn.width = drawn.height = cell;
    const brush = drawn.getContext("2d");
    brush.setTransform(zoom, 0, 0, zoom, from, from);
    brush.lineWidth = 2;
    brush.lineCap = brush.lineJoin = "round";
    brush.strokeStyle = "#fff";
    brush.globalAlpha = strength;
    for (const path of paths) brush.stroke(path);
    return drawn;
  }

  function place(id) {
    let low = 0, high = runs.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1, [first, length, before] = runs[middle];
      if (id < first) high = middle - 1;
      else if (id >= first + length) low = middle + 1;
      else return before + id - first;
    }
    return -1;
  }

  function person(at) {
    const run = runs.findLast(([, , before]) => before <= at);
    return run ? run[0] + at - run[2] : 0;
  }

  function fill({ runs: found, codes: text }) {
    let before = 0;
    runs = found.map(([first, length]) => [first, length, (before += length) - length]);
    const same = cells.length === text.length;
    cells = new TextEncoder().encode(text);
    glowing = new Map();
    if (same) {
      for (let at = 0; at < shown; at += 1) dab(at, 0);
      plan();
    } else lay();
  }

  function move(moves) {
    const now = performance.now();
    for (const [letter, steps] of Object.entries(moves)) {
      const code = letter.charCodeAt(0);
      let id = 0;
      for (const step of steps) {
        const index = place((id += step));
        if (index < 0 || cells[index] === code) continue;
        cells[index] = code;
        const at = Math.floor(index / each);
        if (calm.matches) dab(at, 0);
        else glowing.set(at, now);
      }
    }
    plan();
  }

  function at(event) {
    const dpr = devicePixelRatio || 1, x = Math.floor((event.offsetX * dpr) / cell), y = Math.floor((event.offsetY * dpr) / cell);
    const found = y * columns + x;
    return x < columns && found < shown ? found : -1;
  }

  canvas.addEventListener("pointermove", (event) => {
    const found = at(event);
    canvas.style.cursor = found >= 0 && each === 1 ? "pointer" : "";
    const word = found >= 0 && cells[found * each] !== UNREAD && document.querySelector(`.legend [data-state="${name(code(found))}"] span`).textContent;
    under.textContent = word ? `${words.cell.replace("{n}", number.format(found * each + 1))} · ${word}` : "";
  });
  canvas.addEventListener("pointerleave", () => (under.textContent = ""));
  canvas.addEventListener("click", (event) => {
    const found = at(event);
    if (found >= 0 && each === 1) location.href = wall.dataset.recipients + person(found);
  });
  document.addEventListener("cells", (event) => fill(JSON.parse(event.detail.data)));
  document.addEventListener("moves", (event) => move(JSON.parse(event.detail.data)));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { look(); lay(); });
  new ResizeObserver(() => cells.length && lay()).observe(room);

  const full = document.getElementById("full");
  full.hidden = !document.fullscreenEnabled;
  full.addEventListener("click", () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()));
  look();
  cells = new Uint8Array(Number(wall.dataset.total)).fill(UNREAD);
  lay(); // it has its place before the first message
})();
