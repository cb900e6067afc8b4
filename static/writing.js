// The form of a message: an editor for each way to write it. The box named html stays what is sent.
(() => {
  const message = document.querySelector(".message[data-fields]");
  const { form, value: first } = message.querySelector("[name=writing]:checked");
  const { html, text } = form.elements;
  const dialog = document.getElementById("switch");
  const kept = {};
  let way = first;
  let rich = first === "plain" ? (/^\s*<mjml/i.test(html.value) ? "mjml" : /</.test(html.value) ? "source" : "markdown") : first;

  const typed = (value) => {
    html.value = value;
    html.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const told = () => html.getAttribute("aria-describedby");

  const host = message.querySelector(".editor");
  const SIZE = 100_000; // characters that are coloured at each key without being felt
  let source;
  const code = async () => {
    const { CodeJar } = await import(host.dataset.codejar);
    const box = document.createElement("pre");
    const look = { className: "source", role: "textbox", ariaMultiLine: "true", tabIndex: 0 };
    for (const [name, value] of Object.entries(look)) box[name] = value;
    box.setAttribute("aria-labelledby", "html-label");
    box.setAttribute("aria-describedby", told());
    host.append(box);
    const jar = CodeJar(box, (it) => (it.innerHTML = marks.color(it.textContent)), {
      tab: "  ",
      catchTab: false,
      addClosing: false,
      indentOn: /(?!)/,
    });
    const tell = (value) => value !== html.value && typed(value);
    jar.onUpdate(tell);
    box.addEventListener("input", () => tell(jar.toString())); // of a keyboard that tells no keys, or what was dropped
    const to = (start) => jar.restore({ start, end: start + 2, dir: "->" });
    return { box, at: to, show: () => jar.updateCode(html.value, false) };
  };
  const visual = () => {
    const box = document.createElement("iframe");
    box.className = "visual";
    box.title = host.dataset.title;
    box.dataset.fields = message.dataset.fields;
    box.addEventListener("written", ({ detail }) => typed(detail));
    const ready = new Promise((resolve) => box.addEventListener("ready", resolve, { once: true }));
    box.src = host.dataset.visual;
    host.append(box);
    return { box, show: () => ready.then(() => box.show(html.value)) };
  };
  const made = {};
  const show = async () => {
    const kind = way === "plain" ? "" : way === "visual" ? "visual" : html.value.length < SIZE ? "code" : "";
    if (kind && !made[kind]) made[kind] = kind === "visual" ? visual() : code();
    for (const [name, making] of Object.entries(made)) (await making).box.hidden = name !== kind;
    html.hidden = !!kind;
    if (!kind) return;
    source = await made[kind];
    await source.show();
    host.dataset.shown = way;
  };

  /** Return the HTML that Volley makes of Markdown; paragraphs where it cannot be asked. */
  const rendered = async (markdown) => {
    const data = new FormData();
    data.set("csrf_token", form.elements.csrf_token.value);
    data.set("html", markdown);
    const answer = await fetch(host.dataset.markdown, { method: "POST", body: data }).catch(() => ({ ok: false }));
    return answer.ok ? answer.text() : ways.turn(markdown, "markdown", "source");
  };

  const ask = (lost) =>
    new Promise((resolve) => {
      for (const part of dialog.querySelectorAll("[data-lost]")) part.hidden = part.dataset.lost !== lost;
      dialog.returnValue = "";
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
      dialog.showModal();
    });
  dialog.addEventListener("click", ({ target }) => target.value !== undefined && dialog.close(target.value));

  const change = async (to) => {
    const from = way === "plain" ? rich : way;
    const before = kept[to]?.became === html.value ? kept[to].was : undefined; // nothing was written since
    if (to !== "plain" && before === undefined) {
      const lost = ways.loses(html.value, from, to);
      if (lost && !(await ask(lost))) return false;
    }
    if (to === "plain") {
      if (!text.value.trim()) text.value = ways.turn(html.value, from, "plain");
    } else if (!html.value.trim() && way === "plain") {
      typed(ways.turn(text.value, "plain", to));
      text.value = "";
    } else if (from !== to) {
      const was = html.value;
      typed(before ?? (from === "markdown" && to !== "plain" ? ways.turn(await rendered(was), "source", to) : ways.turn(was, from, to)));
      kept[from] = { was, became: html.value };
    }
    if (to !== "plain") rich = to;
    way = to;
    text.dispatchEvent(new Event("input", { bubbles: true }));
    await show();
    return true;
  };
  message.addEventListener("change", async ({ target }) => {
    if (target.name !== "writing" || target.value === way) return;
    const back = form.querySelector(`[name=writing][value=${way}]`);
    if (!(await change(target.value))) back.checked = true;
  });

  // A field of the list goes where the cursor was last.
  let last = text;
  message.addEventListener("focusin", ({ target }) => {
    if (target.matches("#subject, #preheader, #text, #html, .source")) last = target;
  });
  message.querySelector(".fields")?.addEventListener("click", ({ target }) => {
    const mark = target.dataset.mark;
    if (!mark) return;
    if (last.hidden || !last.checkVisibility()) last = way === "plain" ? text : (source?.box ?? html);
    last.focus();
    document.execCommand("insertText", false, mark);
  });

  // A fault leads to its place.
  const place = (value, [line, column]) => value.split("\n").slice(0, line - 1).join("\n").length + (line > 1) + column - 1;
  for (const link of document.querySelectorAll('a[href="#html"], a[href="#text"]'))
    link.addEventListener("click", (event) => {
      const box = document.getElementById(link.hash.slice(1));
      event.preventDefault();
      const there = box.hidden ? source.box : box;
      there.focus();
      there.scrollIntoView({ block: "center" });
      if (!box.dataset.at) return;
      const start = place(box.value, box.dataset.at.split(":").map(Number));
      if (there === box) box.setSelectionRange(start, start + 2);
      else source.at?.(start);
    });

  message.querySelector(".fields")?.removeAttribute("hidden");
  show();
})();
