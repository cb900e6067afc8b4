// The forms that try an operation: each sends what was filled in, and shows the status, the headers and the body.
(() => {
  const MOST = 200_000; // characters of a body; a stream may never end
  const { root } = document.documentElement.dataset;
  const key = document.getElementById("key");

  function request(form) {
    const headers = new Headers();
    const query = new URLSearchParams();
    let path = form.dataset.path;
    let body;
    for (const { name, value, dataset } of form.elements) {
      if (!value) continue;
      if (dataset.in === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
      if (dataset.in === "query") query.append(name, value);
      if (dataset.in === "header") headers.set(name, value);
      if (dataset.in === "body") body = value;
    }
    if (body) headers.set("Content-Type", "application/json");
    if (key.value.trim()) headers.set("Authorization", `Bearer ${key.value.trim()}`);
    const credentials = key.value.trim() ? "omit" : "same-origin";
    return [root + path + (query.size ? `?${query}` : ""), { method: form.dataset.method, headers, body, credentials }];
  }

  async function show(response, into) {
    into("status", `${response.status} ${response.statusText}`);
    into("headers", [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n"));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (let part = await reader.read(); !part.done && text.length < MOST; part = await reader.read()) {
      text += part.value;
      into("body", text.slice(0, MOST));
    }
    await reader.cancel();
    if (/json$/.test(response.headers.get("Content-Type")) && text.length < MOST) into("body", JSON.stringify(JSON.parse(text), null, 2));
  }

  for (const form of document.querySelectorAll("form.try")) {
    const answer = form.querySelector("[data-answer]");
    const stop = form.querySelector("[data-stop]");
    const into = (part, text) => (answer.querySelector(`[data-${part}]`).textContent = text);
    let going;
    stop.addEventListener("click", () => going.abort());
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      going?.abort();
      const mine = (going = new AbortController());
      const [url, options] = request(form);
      for (const part of ["status", "headers", "body"]) into(part, "");
      answer.hidden = stop.hidden = false;
      try {
        await show(await fetch(url, { ...options, signal: mine.signal }), (part, text) => mine === going && into(part, text));
      } catch (error) {
        if (error.name !== "AbortError") into("status", error.message);
      }
      if (mine === going) stop.hidden = true;
    });
  }

  function open() {
    const target = document.getElementById(location.hash.slice(1));
    if (target?.matches("details")) target.open = true;
  }
  addEventListener("hashchange", open);
  open();
})();
