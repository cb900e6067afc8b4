// News that find you: the tab's title and icon, one spoken line, and notifications for who asked for them.
// The server decides what is news and finds the words; this only notices which are new. While the page is seen,
// its own stream tells; that one pauses while it is hidden, and then the source tells all hidden tabs of this browser.
(() => {
  const TELLS_MS = 60000; // the other tabs that show this campaign have heard the same by then
  const spoken = document.getElementById("spoken");
  const icon = document.querySelector("link[rel=icon]");
  const button = document.getElementById("notify");
  const source = new URL(button.dataset.source, location).href;
  const page = () => document.getElementById("progress").dataset;
  const campaign = page().campaign;
  const known = new Set(Object.keys(JSON.parse(page().news)));

  const wanted = () => localStorage.getItem("notify") === "on" && Notification.permission === "granted";

  function look({ title, icon: drawn, news }) {
    if (document.title !== title) document.title = title;
    if (icon.getAttribute("href") !== drawn) icon.setAttribute("href", drawn);
    for (const [key, text] of Object.entries(news)) {
      if (known.has(key)) continue;
      known.add(key);
      spoken.textContent = text;
      if ("Notification" in window && wanted()) tell(key, title, text);
    }
  }

  // Of all tabs that show this campaign one tells: the one that gets the lock, which it keeps for a while.
  function tell(key, title, text) {
    const notify = (lock) => {
      if (!lock) return null;
      new Notification(title, { body: text, tag: location.pathname });
      return new Promise((done) => setTimeout(done, TELLS_MS));
    };
    if (navigator.locks) navigator.locks.request(`news of ${campaign}: ${key}`, { ifAvailable: true }, notify);
    else notify(true);
  }

  function show() {
    button.setAttribute("aria-pressed", wanted());
    if (Notification.permission === "denied") button.title = button.dataset.denied;
  }

  function lead() {
    navigator.locks?.request(source, () => {
      document.head.append(Object.assign(document.createElement("script"), { src: source }));
      return new Promise(() => {}); // the lock goes on to the next tab when this one closes
    });
  }

  document.addEventListener("htmx:sse:after:message", () => look({ ...page(), news: JSON.parse(page().news) }));

  if ("BroadcastChannel" in window) {
    const bus = new BroadcastChannel(source);
    const tellWhatIsShown = () => document.hidden && bus.postMessage({ shows: campaign, language: document.documentElement.lang });
    bus.addEventListener("message", ({ data }) => {
      if (data.ask) tellWhatIsShown();
      if (document.hidden && data.told?.[campaign]) look(data.told[campaign]);
    });
    document.addEventListener("visibilitychange", () => (document.hidden ? tellWhatIsShown() : bus.postMessage({ left: true })));
    addEventListener("pagehide", () => bus.postMessage({ left: true }));
    if ("SharedWorker" in window) new SharedWorker(source).onerror = lead;
    else lead();
    tellWhatIsShown();
  }

  button.hidden = !("Notification" in window);
  if (button.hidden) return;
  button.addEventListener("click", async () => {
    localStorage.setItem("notify", wanted() ? "off" : "on");
    if (localStorage.getItem("notify") === "on") await Notification.requestPermission();
    // not before: the longer words move what stands beside them
    if (Notification.permission === "denied") button.querySelector("span").textContent = button.dataset.denied;
    show();
  });
  show();
})();
