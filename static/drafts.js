// The form of a message saves itself while somebody types, says when it did, and who else has the draft open.
(() => {
  const form = document.querySelector("form[data-autosave]");
  const said = form.querySelector(".saved");
  const { lang } = document.documentElement;
  const NAMES = ["from", "subject", "preheader", "writing", "html", "text", "give_up_hours"];
  const [REST_MS, LONGEST_MS, AGAIN_MS, SEEN_MS] = [1200, 8000, 15_000, 30_000];
  const field = (name) => form.elements[name]?.value ?? "";
  const typed = () => JSON.stringify(NAMES.map(field));

  let known = typed();
  let due, first, busy, over = false;
  let elsewhere = false; // something was typed that is saved with the button alone

  const post = async (path, names) => {
    const data = new FormData();
    for (const name of ["csrf_token", "revision", ...names]) data.set(name, field(name));
    const answer = await fetch(path, { method: "POST", body: data });
    const json = answer.headers.get("Content-Type")?.startsWith("application/json");
    return { ok: answer.ok, status: answer.status, ...(json ? await answer.json() : {}) };
  };
  const say = (text, failed) => {
    said.textContent = text;
    said.classList.toggle("tone-failed", !!failed);
  };
  const meet = (other) => {
    const notice = document.getElementById("sitting");
    notice.hidden = !other;
    if (other) notice.querySelector("[data-who]").textContent = notice.dataset.text.replace("%(who)s", other);
  };
  const settle = ({ revision, here, other }) => {
    if (here) {
      const field = document.createElement("input");
      Object.assign(field, { type: "hidden", name: "revision" });
      form.prepend(field);
      form.action = here;
      form.dataset.autosave = `${here}/autosave`;
      history.replaceState(history.state, "", `${here}/edit`);
    }
    form.elements.revision.value = revision;
    meet(other);
    if (!elsewhere) form.dispatchEvent(new Event("saved"));
    say(said.dataset.saved.replace("%(time)s", new Date().toLocaleTimeString(lang, { hour: "2-digit", minute: "2-digit", timeZone: document.documentElement.dataset.zone })));
  };

  const save = async () => {
    clearTimeout(due);
    first = undefined;
    const now = typed();
    if (over || busy || now === known) return;
    busy = post(form.dataset.autosave, NAMES).catch(() => ({ ok: false }));
    const answer = await busy;
    busy = undefined;
    if (answer.ok) {
      known = now;
      settle(answer);
      if (typed() !== known) wait();
    } else {
      over ||= answer.status === 409;
      say(answer.said ?? said.dataset.failed, true);
      if (!over) due = setTimeout(save, AGAIN_MS);
    }
  };
  const wait = () => {
    first ??= Date.now();
    clearTimeout(due);
    due = setTimeout(save, Math.max(0, Math.min(REST_MS, first + LONGEST_MS - Date.now())));
  };

  form.addEventListener("input", ({ target }) => (target.closest(".message") ? wait() : (elsewhere = true)));
  form.addEventListener("change", ({ target }) => target.closest(".message") && wait());
  document.addEventListener("visibilitychange", () => document.hidden && save());
  form.addEventListener("submit", (event) => {
    over = true;
    if (!busy) return;
    event.preventDefault(); // else the form would come with a revision that is passed
    const { submitter } = event;
    busy.then(() => setTimeout(() => form.requestSubmit(submitter)));
  });

  const sit = async () => {
    const path = form.dataset.autosave.replace(/autosave$/, "sitting");
    if (!document.hidden && form.elements.revision && !over)
      await post(path, []).then(({ ok, other }) => ok && meet(other), () => {});
    setTimeout(sit, SEEN_MS);
  };
  sit();
})();
