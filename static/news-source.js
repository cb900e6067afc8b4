// Follows the campaigns that this browser's hidden tabs show, over one connection for all of them, and passes the
// news on. It runs in a shared worker; where there is none, in the tab that leads.
(() => {
  const LEAST_MS = 500, MOST_MS = 15000; // between two attempts to connect
  const SILENT_MS = 40000; // the server beats every 15 seconds
  const ASK_MS = 200; // tabs answer within this
  const MOST = 20; // campaigns
  const here = globalThis.document ? document.currentScript.src : location.href;
  const address = new URL("../news/stream", here);
  const bus = new BroadcastChannel(here);
  const latest = new Map(); // the last news of each campaign that is followed, for a tab that comes later
  const shown = new Set();
  let language = "", followed = "", turn = 0, attempt = null, timer = 0;

  const pause = (ms) => new Promise((done) => setTimeout(done, ms));

  async function* messages(body) {
    const text = new TextDecoder(), reader = body.getReader();
    for (let rest = ""; ; ) {
      const watch = setTimeout(() => attempt.abort(), SILENT_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(watch));
      if (done) return;
      const parts = (rest + text.decode(value, { stream: true })).split("\n\n");
      rest = parts.pop();
      for (const part of parts) yield part.startsWith("data: ") ? JSON.parse(part.slice(6)) : {};
    }
  }

  async function follow(campaigns) {
    const mine = turn;
    for (let fails = 0; mine === turn; fails++) {
      attempt = new AbortController();
      try {
        const answer = await fetch(`${address}?campaigns=${campaigns}`, { signal: attempt.signal });
        if (answer.ok) {
          for await (const told of messages(answer.body)) {
            if (mine !== turn) return;
            fails = 0;
            for (const id in told) latest.set(id, told[id]);
            bus.postMessage({ told });
          }
        }
      } catch { /* the line broke: it is tried again */ }
      await pause(Math.min(LEAST_MS * 2 ** fails, MOST_MS) * (0.7 + 0.6 * Math.random()));
    }
  }

  function settle() {
    const campaigns = [...shown].slice(-MOST).sort().join(".");
    const wanted = `${campaigns} ${language}`;
    if (wanted === followed) return;
    followed = wanted;
    turn++;
    attempt?.abort();
    latest.clear();
    if (campaigns) follow(campaigns);
  }

  function settleSoon() {
    clearTimeout(timer);
    timer = setTimeout(settle, ASK_MS);
  }

  function ask() {
    shown.clear();
    bus.postMessage({ ask: true });
    settleSoon();
  }

  bus.addEventListener("message", ({ data }) => {
    if (data.left) ask();
    if (!data.shows) return;
    language = data.language;
    shown.delete(data.shows);
    shown.add(data.shows);
    if (latest.has(data.shows)) bus.postMessage({ told: { [data.shows]: latest.get(data.shows) } });
    settleSoon();
  });
  ask();
})();
