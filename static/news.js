// News that find you: the tab's title and icon, one spoken line, and notifications for who asked for them.
// The server decides what is news and finds the words; this only notices which are new.
(() => {
  const spoken = document.getElementById("spoken");
  const icon = document.querySelector("link[rel=icon]");
  const button = document.getElementById("notify");
  const words = JSON.parse(button.dataset.words);
  const read = () => document.getElementById("progress").dataset;
  const known = new Set(Object.keys(JSON.parse(read().news)));

  const wanted = () => localStorage.getItem("notify") === "on" && Notification.permission === "granted";

  function look() {
    const { title, icon: drawn, news } = read();
    if (document.title !== title) document.title = title;
    if (icon.getAttribute("href") !== drawn) icon.setAttribute("href", drawn);
    for (const [key, text] of Object.entries(JSON.parse(news))) {
      if (known.has(key)) continue;
      known.add(key);
      spoken.textContent = text;
      if ("Notification" in window && wanted()) new Notification(title, { body: text, tag: location.pathname });
    }
  }

  function show() {
    button.setAttribute("aria-pressed", wanted());
    button.textContent = Notification.permission === "denied" ? words.denied : wanted() ? words.on : words.off;
  }

  document.addEventListener("htmx:sse:after:message", look);
  if (!("Notification" in window)) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    localStorage.setItem("notify", wanted() ? "off" : "on");
    if (localStorage.getItem("notify") === "on") await Notification.requestPermission();
    show();
  });
  show();
})();
