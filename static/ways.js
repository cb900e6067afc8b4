// What a body becomes when it is written in another way, and what of it that loses. Marks keep their text.
const ways = (() => {
  const paragraphs = (text) =>
    text.trim().split(/\n\s*\n/).filter(Boolean)
      .map((part) => `<p>${part.split(/(\{\{[^]*?\}\}|\{%[^]*?%\})/).map((it, n) => (n % 2 ? it : marks.escape(it).replace(/&quot;/g, '"').replace(/\n/g, "<br>\n"))).join("")}</p>`)
      .join("\n");
  const mjml = (html) =>
    `<mjml>\n  <mj-body>\n    <mj-section>\n      <mj-column>\n        <mj-text>\n${html}\n        </mj-text>\n      </mj-column>\n    </mj-section>\n  </mj-body>\n</mjml>\n`;
  const text = (html) =>
    html
      .replace(/<!--[^]*?-->|<(style|script|head|mj-head)\b[^]*?<\/\1\s*>|<!doctype[^>]*>/gi, "")
      .replace(/\s*\n\s*/g, " ")
      .replace(/<a\b[^>]*?href="([^"]*)"[^>]*>([^]*?)<\/a>/gi, "$2 ($1)")
      .replace(/<br\b[^>]*>/gi, "\n")
      .replace(/<li\b[^>]*>/gi, "\n- ")
      .replace(/<\/(?:p|div|h\d|tr|table|[uo]l|blockquote|mj-text|mj-section)>/gi, "\n\n")
      .replace(TAG, " ")
      .split(/(\{\{[^]*?\}\}|\{%[^]*?%\})/)
      .map((it, n) => (n % 2 ? it : marks.unescape(it)))
      .join("")
      .replace(/[ \t]+/g, " ").replace(/ ?\n ?/g, "\n").replace(/\n{3,}/g, "\n\n").trim();
  const within = (html) => (/<body\b[^>]*>([^]*?)(?:<\/body>|$)/i.exec(html)?.[1] ?? html).trim();
  const TAG = /<\/?[a-z](?:\{\{[^]*?\}\}|\{%[^]*?%\}|"[^"]*"|'[^']*'|\{(?![{%])|[^>"'{])*>/gi; // with marks in it
  const HTML = new Set(["visual", "source"]);

  /** Return the body of one way in another. */
  const turn = (body, from, to) => {
    if (!body.trim() || from === to) return body;
    if (to === "plain" || to === "markdown") return from === "plain" || from === "markdown" ? body : text(body);
    const html = from === "plain" || from === "markdown" ? paragraphs(body) : from === "mjml" ? paragraphs(text(body)) : body;
    return to === "mjml" ? mjml(within(html)) : to === "visual" ? within(html) : html;
  };

  /** Return the name of what is lost: empty if nothing is. */
  const loses = (body, from, to) => {
    if (!body.trim() || from === "plain" || to === "plain") return "";
    if (from === "markdown") return "markdown";
    if (to === "markdown") return "format";
    if (from === "mjml") return "mjml";
    if (to === "mjml") return "block";
    return to === "visual" && HTML.has(from) && /<(?:!doctype|html|head|body|style)\b/i.test(body) ? "head" : "";
  };

  return { turn, loses };
})();
