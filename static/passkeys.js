// Passkeys: a form marked data-passkey asks the browser for one, and is sent with what it answers.
(() => {
  const parse = {
    create: window.PublicKeyCredential?.parseCreationOptionsFromJSON,
    get: window.PublicKeyCredential?.parseRequestOptionsFromJSON,
  };
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const { passkey: act, options: address } = form.dataset;
    if (!parse[act]) continue;
    form.hidden = false;
    for (const text of document.querySelectorAll("[data-without-passkeys]")) text.hidden = true;
    const button = form.querySelector("button");
    const told = form.querySelector("[role=alert]");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      button.disabled = true;
      told.hidden = true;
      try {
        const answer = await fetch(address);
        if (!answer.ok || answer.redirected) return location.reload(); // the page leads to where one confirms or signs in
        const publicKey = parse[act].call(PublicKeyCredential, await answer.json());
        const credential = await navigator.credentials[act]({ publicKey });
        form.elements.credential.value = JSON.stringify(credential);
        form.submit();
      } catch (error) {
        told.textContent = (error.name === "InvalidStateError" && told.dataset.known) || told.dataset.failed;
        told.hidden = false;
        button.disabled = false;
      }
    });
  }
})();
