// The visual editor, in a frame of its own: the form around it sets the body, and hears of each change.
(() => {
  const { lang, dataset } = document.documentElement;
  const host = window.frameElement;
  if (lang !== "en") hugerte.addI18n(lang, JSON.parse(dataset.words));
  hugerte.init({
    target: document.getElementById("visual"),
    language: lang === "en" ? undefined : lang,
    skin: false,
    content_css: dataset.sheets.split(" "),
    height: "100%",
    resize: false,
    menubar: false,
    statusbar: false,
    promotion: false,
    branding: false,
    contextmenu: false,
    browser_spellcheck: true,
    plugins: "autolink image link lists table",
    toolbar: "undo redo | blocks bold italic underline forecolor | bullist numlist alignleft aligncenter alignright | link image table | field",
    toolbar_mode: "wrap",
    block_formats: `${dataset.paragraph}=p;${dataset.heading} 1=h1;${dataset.heading} 2=h2;${dataset.heading} 3=h3`,
    object_resizing: "img",
    convert_urls: false,
    entity_encoding: "raw",
    valid_children: "+body[style]",
    allow_conditional_comments: true,
    iframe_aria_text: dataset.label,
    setup(editor) {
      let known = "";
      const tell = () => {
        const now = editor.getContent();
        if (now === known) return;
        known = now;
        host.dispatchEvent(new CustomEvent("written", { detail: marks.reveal(now) }));
      };
      editor.ui.registry.addMenuButton("field", {
        text: dataset.field,
        fetch: (show) =>
          show(host.dataset.fields.split(" ").map((field) => ({
            type: "menuitem",
            text: `{{ ${field} }}`,
            onAction: () => editor.insertContent(`{{ ${field} }}`),
          }))),
      });
      editor.on("input Change Undo Redo ExecCommand blur", tell);
      editor.on("init", () => {
        host.show = (html) => {
          editor.setContent(marks.hide(html));
          editor.undoManager.clear();
          known = editor.getContent();
        };
        host.dispatchEvent(new Event("ready"));
      });
    },
  });
})();
