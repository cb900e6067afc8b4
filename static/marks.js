// The marks of merge fields within HTML: {{ name }} and {% if city %}. An editor that knows HTML alone loses
// those that stand where HTML has no text, so they hide from it, and stand in their places again afterwards.
const marks = (() => {
  const MARK = /\{\{[^]*?\}\}|\{%[^]*?%\}/y;
  const RAW = /<!--[^]*?-->|<(style|script)\b[^]*?<\/\1\s*>/iy;
  const TAG = /<\/?([a-z][\w:-]*)/iy;
  const BLOCKS = /<\/?(?:p|div|t[dhr]|table|t?body|[uo]l|li|h\d|blockquote)\b/i;
  const VOID = new Set("area base br col embed hr img input link meta source wbr".split(" "));
  const STRUCTURE = new Set("table thead tbody tfoot tr colgroup ul ol dl".split(" "));

  const at = (pattern, text, place) => {
    pattern.lastIndex = place;
    return pattern.exec(text);
  };
  const CODES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  const escape = (text) => text.replace(/[&<>"]/g, (it) => CODES[it]);
  const NAMES = { amp: "&", lt: "<", gt: ">", quot: '"', nbsp: " ", "#39": "'", apos: "'" };
  const unescape = (text) =>
    text.replace(/\u00a0/g, " ").replace(/&(amp|lt|gt|quot|nbsp|apos|#39);/g, (_all, name) => NAMES[name]);
  const pack = (text) => encodeURIComponent(text).replace(/[-']/g, (it) => `%${it.charCodeAt(0).toString(16)}`);

  /** Take a tag apart that begins at `place`: with marks between its attributes it hides as a whole. */
  const tagAt = (html, place, head) => {
    let [safe, here, quote, bare] = [head, place + head.length, "", false];
    while (here < html.length) {
      const mark = at(MARK, html, here)?.[0];
      const char = html[here];
      if (mark && quote) safe += escape(mark);
      else if (mark && /=\s*$/.test(safe)) safe += `"${escape(mark)}"`;
      else if (mark) bare = true;
      else safe += char;
      here += mark?.length ?? 1;
      if (mark) continue;
      if (quote) quote = char === quote ? "" : quote;
      else if (char === ">") break;
      else if (/["']/.test(char) && /=\s*.$/.test(safe)) quote = char;
    }
    const whole = html.slice(place, here);
    return [whole, bare && head[1] !== "/" ? `${head} data-mark="${pack(whole)}">` : safe];
  };

  /** Return HTML that an editor may have: each mark is text, within a value, or hidden. */
  const hide = (html) => {
    const open = [];
    let safe = "";
    for (let place = 0; place < html.length; ) {
      const raw = at(RAW, html, place)?.[0];
      const mark = !raw && at(MARK, html, place)?.[0];
      const tag = !raw && !mark && at(TAG, html, place);
      if (raw) safe += raw;
      if (mark) {
        const parent = open.at(-1);
        const unseen = STRUCTURE.has(parent) || (!parent && mark[1] === "%");
        safe += unseen ? `<!--mark:${pack(mark)}-->` : escape(mark);
      }
      if (tag) {
        const [whole, hidden] = tagAt(html, place, tag[0]);
        const name = tag[1].toLowerCase();
        const opened = open.lastIndexOf(name);
        if (tag[0][1] === "/") open.length = opened < 0 ? open.length : opened;
        else if (!VOID.has(name) && !whole.endsWith("/>")) open.push(name);
        safe += hidden;
        place += whole.length;
      } else if (raw || mark) place += (raw || mark).length;
      else safe += html[place++];
    }
    return safe;
  };

  /** Return what hid, as it was written. What was made bold in the midst of a mark is bold no more. */
  const reveal = (html) =>
    html
      .replace(/<!--[^]*?-->|<(style|script)\b[^]*?<\/\1\s*>|\{\{[^]*?\}\}|\{%[^]*?%\}/gi, (it) => {
        if (it[0] === "<" || BLOCKS.test(it)) return it;
        return unescape(it.replace(/<\/?[a-z][^>]*>/gi, ""));
      })
      .replace(/<[a-z][^>]*?\sdata-mark="([^"]*)"[^>]*>/gi, (_all, packed) => decodeURIComponent(packed))
      .replace(/<!--mark:([^]*?)-->/g, (_all, packed) => decodeURIComponent(packed));

  const TOKENS =
    /(?<note><!--[^]*?(?:-->|$))|(?<mark>\{\{[^]*?\}\}|\{%[^]*?%\})|(?<tag><\/?[a-z][\w:-]*)|(?<value>(?<==)(?:"[^"]*"|'[^']*'))|(?<end>\/?>)|(?<head>^#{1,6} .*$)|(?<strong>\*\*[^*\n]+\*\*|`[^`\n]+`)/gim;

  /** Return a source as HTML in which tags, values, notes and marks have their own look. */
  const color = (source) => {
    let [html, last] = ["", 0];
    const inner = (text) =>
      text.split(/(\{\{[^]*?\}\}|\{%[^]*?%\})/).map((it, n) => (n % 2 ? `<b class="t-mark">${escape(it)}</b>` : escape(it)));
    for (const found of source.matchAll(TOKENS)) {
      const [kind] = Object.entries(found.groups).find(([, text]) => text !== undefined);
      html += escape(source.slice(last, found.index));
      html += kind === "mark" ? inner(found[0]).join("") : `<span class="t-${kind}">${inner(found[0]).join("")}</span>`;
      last = found.index + found[0].length;
    }
    return html + escape(source.slice(last));
  };

  return { hide, reveal, color, escape, unescape };
})();
