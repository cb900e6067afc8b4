"""Free text: one line of a list, taken apart into addresses, the names that go with them, and the rest.

Pure. Entries are parted by lines, ``;`` and tabs; a comma parts them too, unless it stands in a name, as
in ``Doe, Jane <jane@example.org>``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mailing.addresses import markup, records
from mailing.addresses.columns import means_email, means_name
from mailing.addresses.findings import TEXT_MAX
from mailing.addresses.mailbox import read_plain, unwrap
from mailing.core.reasons import Reason
from mailing.messages.field_names import field_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailing.addresses.findings import Findings

Token = tuple[str, str]  # its kind, its text

_BULLETS = re.compile(r"(?:\s*(?:[*+-]\s+|[•‣▪◦·\u2013\u2014]|\(?\d{1,6}(?:\.\s+|\))))+")
_SEPARATORS = re.compile(r"[,;\t]")
_GAP = re.compile(r"(?<!@) (?!@)")
_COMMENT = re.compile(r"\([^()@]*+\)")
_UNQUOTED = (
    r"(?P<angle><[^<>]*+>|\[[^][<>@\s]*+@[^][<>@\s]*+\]|\([^()<>@\s]*+@[^()<>@\s]*+\))"
    r"|(?P<comment>\([^()@]*+\))|(?P<comma>,)|(?P<stop>[;\t])"
)
# Each alternative consumes what it looked at, so a hostile line costs no more than its length.
_LEXER = re.compile(
    r'(?P<mailbox>"(?:[^"\\]|\\.)*+"@[^\s<>(),;"]++)|(?P<quoted>"(?:[^"\\]|\\.)*+")|(?P<unclosed>".*+)|'
    rf'{_UNQUOTED}|(?P<plain>[<([]|[^"<([,;\t]++)'
)
_LEXER_WITHOUT_QUOTES = re.compile(rf"{_UNQUOTED}|(?P<plain>[<([]|[^<([,;\t]++)")
_WIDE = str.maketrans("，；、：＜＞（）［］＠", ",;,:<>()[]@")  # noqa: RUF001
_IGNORED = "\"'`.,()<>[]{}*+- "
_LABEL = re.compile(r"([^\W\d_][\w.'-]*+(?: [\w.'-]++){0,3}) ?:(?!//)\s*")
_VCARD_LABEL = re.compile(r"(?:[\w-]{1,20}\.)?EMAIL;[^:@]{0,200}:", re.IGNORECASE)
_LABELS = frozenset(
    "to from cc bcc reply_to sender an von kopie blindkopie antwort_an de para a cco copie cci da til fra "  # noqa: SIM905
    "gui den tu kinh_gui nguoi_gui nguoi_nhan nguoi_lien_he dong_gui lien_he kontakt contact contacts work "
    "home office private privat internet smtp 收件人 发件人 抄送 宛先 кому от копия".split()
)
_NAME_PIECE = re.compile(r"[^\W\d_](?:[\w '’.()&/-])*+")  # noqa: RUF001
_CAPITAL = r"[^\W\d_a-z][\w'\u2019.-]*+"
_PERSON = re.compile(rf"{_CAPITAL}(?:(?: [\w'\u2019.-]++){{0,4}} {_CAPITAL})?")
_ADDRESS = re.compile(r"[^\s@:]+@[^\s@:]+")
_NO_NAME = re.compile(r"\w\.\w{2}|\bat\b", re.IGNORECASE)
_NO_AT = Reason("address.no-at-in-words")
_SPELT_AT = re.compile(r"(\S+?)\s*(?:\sat\s|\(at\)|\[at\])\s*(\S+)", re.IGNORECASE)


def read_text_line(found: Findings, number: int, line: str) -> None:
    """Take what stands in a line, which is ``clean``: by the short way, if it is a plain one."""
    line = line.strip()
    if plain := read_plain(line):
        found.add(number, *plain)
    elif line:
        read_line(found, number, line)


def read_line(found: Findings, number: int, line: str) -> None:
    """Take what stands in a line, which is ``clean`` and not blank."""
    if not line.isascii():
        line = line.translate(_WIDE)
    line = markup.plain(line)
    if "=" in line and (named := records.distinguished(line)):
        found.judge(number, line, *named)
        return
    if bullets := _BULLETS.match(line):
        line = line[bullets.end() :]
    if label := _VCARD_LABEL.match(line):
        line = line[label.end() :]
    phrase: list[Token] = []
    last = ""  # the address just read, which may follow once more in brackets
    for kind, text in _lex(line):
        if kind == "angle":
            last = _read_angle(found, number, phrase, text, last)
            phrase = []
        elif kind in {"stop", "mailbox"}:
            _read_bare(found, number, phrase)
            last = found.judge(number, text, text) if kind == "mailbox" else ""
            phrase = []
        else:
            phrase.append((kind, text))
    _read_bare(found, number, phrase)


def _lex(line: str) -> Iterator[Token]:
    for match in _LEXER.finditer(line):
        kind, text = match.lastgroup or "", match.group()
        if kind == "unclosed":
            yield from (
                (again.lastgroup or "", again.group()) for again in _LEXER_WITHOUT_QUOTES.finditer(text)
            )
        else:
            yield kind, text


def _read_angle(found: Findings, number: int, phrase: list[Token], bracketed: str, last: str) -> str:
    """Read ``<address>`` and the phrase before it, which may end in its name. Returns the address."""
    inner = bracketed[1:-1]
    shown = ""
    if inner.lstrip()[:7].lower() == "mailto:":
        inner, _, shown = inner.partition("|")  # as chats write it: <mailto:ann@example.org|Ann>
        inner = inner.partition("?")[0]
    if inner.count("@") > 1 and re.search(r"[\s,;]", inner):
        _read_bare(found, number, [*phrase, ("plain", f" {inner}")])
        return ""
    if last and not _join(phrase) and unwrap(inner).lower() == last.lower():
        return last
    phrase = _name_before(found, number, phrase, inner)
    whole = _join(phrase) + bracketed
    if not inner.strip():
        found.refuse(number, whole, Reason("address.none-in-brackets"))
        return ""
    name = _named(phrase)
    return found.judge(number, whole, inner, name or ("" if "@" in shown else shown))


def _name_before(found: Findings, number: int, phrase: list[Token], inner: str) -> list[Token]:
    """Return the end of a phrase that names the address behind it; read what stands before that.

    A comma belongs to the name, as in ``Doe, Jane``, unless it ends an address or something that is no
    name.
    """
    begin = 0
    for at in range(len(phrase) - 1, -1, -1):
        kind, text = phrase[at]
        if kind == "plain" and "@" in text:  # an address that only a space parts from what follows
            at_sign = text.rindex("@")
            end = at_sign + len(text[at_sign:].split(" ", 1)[0])
            begins = text.rfind(" ", 0, at_sign) + 1
            before, rest = [*phrase[:at], (kind, text[:end])], [(kind, text[end:]), *phrase[at + 1 :]]
            if unwrap(text[begins:end]).lower() == unwrap(inner).lower():  # the same address twice
                before[-1] = (kind, text[:begins])
                if not any("@" in said for _, said in before):
                    before, rest = [], [*before, *rest]
            _read_bare(found, number, before)
            phrase = rest
            break
    pieces = _pieces(phrase)
    place = len(phrase)
    for nth, piece in enumerate(reversed(pieces)):
        name = _join(piece)
        complete = any(kind == "quoted" for kind, _ in piece)
        if nth and (complete or not _NAME_PIECE.fullmatch(name) or _NO_NAME.search(name)):
            begin = place
            break
        place -= len(piece) + (nth > 0)
        if complete:
            begin = max(place, 0)
            break
    if begin:
        _read_bare(found, number, phrase[:begin])
    return phrase[begin:]


def _pieces(phrase: Sequence[Token]) -> list[list[Token]]:
    """Return a phrase in the pieces that its commas make."""
    pieces: list[list[Token]] = [[]]
    for token in phrase:
        if token[0] == "comma":
            pieces.append([])
        else:
            pieces[-1].append(token)
    return pieces


def _named(phrase: Sequence[Token]) -> str:
    """Return the name in a phrase. ``Sam (billing)`` says what an address is for, and names nobody."""
    name = "".join(text if kind != "quoted" else _unquoted(text) for kind, text in phrase)
    if any(kind == "comment" for kind, _ in phrase) and len(_COMMENT.sub(" ", name).split()) < 2:  # noqa: PLR2004
        return ""
    if not any(kind == "quoted" for kind, _ in phrase):
        named, rest = _unlabelled(name.replace("<", " ").replace(">", " ").strip())
        name = rest or named
        if name[:1] == "[" and name[-1:] == "]":  # the text of a Markdown link
            name = name[1:-1]
    return name.strip().strip(",")


def _unlabelled(text: str) -> tuple[str, str]:
    """Return who is named by the label before a text, and the text without its labels.

    ``To:``, ``E-Mail:`` and single words name nobody, ``Ann Lee:`` does.
    """
    named, at = "", 0
    while (label := _LABEL.match(text, at)) and label[0].lower() != "mailto:":
        at = label.end()
        known = " " not in label[1] or field_name(label[1]) in _LABELS or means_email(label[1])
        named = "" if known else label[1]
    return named, text[at:]


def _read_bare(found: Findings, number: int, phrase: Sequence[Token]) -> None:
    """Read what stands between separators without ``< >``: addresses, or words that are none."""
    pieces = _pieces(phrase)
    if named := _named_beside(pieces):
        for address, name in named:
            found.judge(number, f"{name} {address}", address, name)
        return
    for tokens in pieces:
        text = _join(tokens)
        plain = _COMMENT.sub(" ", text)
        if "@" not in plain:
            _refuse_words(found, number, text.split())
            continue
        for piece in _SEPARATORS.split(plain):
            name, rest = _unlabelled(" ".join(piece.split()))
            lost: list[str] = []
            for word in _GAP.split(rest):
                if "@" in word:
                    _refuse_words(found, number, lost)
                    found.judge(number, word, word, "" if lost or len(pieces) > 1 else name)
                    lost, name = [], ""
                else:
                    lost.append(word)
            _refuse_words(found, number, lost)


def _named_beside(pieces: Sequence[Sequence[Token]]) -> list[tuple[str, str]]:
    """Return each piece's address and the name that only a space parts from it; nothing if one has none.

    ``Ann Lee ann@example.org``, ``ann@example.org - Ann Lee``, ``Name: Ann Lee, Email: ann@example.org``.
    """
    texts = [_COMMENT.sub(" ", _join(tokens)) for tokens in pieces]
    if len(texts) == 2 and "@" not in texts[0]:  # noqa: PLR2004
        label = _LABEL.match(texts[0])
        address = _unlabelled(texts[1].strip())[1]
        texts = [f"{texts[0][label.end() :]} {address}"] if label and means_name(label[1]) else []
    named = []
    for text in texts:
        label_name, rest = _unlabelled(" ".join(text.split()))
        words = [] if label_name else _GAP.split(rest)
        at = next((nth for nth, word in enumerate(words) if _ADDRESS.fullmatch(word)), len(words))
        before, after = words[:at], words[at + 1 :]
        name = " ".join(before or after).strip("-\u2013\u2014 ")
        if at == len(words) or (before and after) or not _PERSON.fullmatch(name):
            return []
        named.append((words[at], name))
    return named


def _refuse_words(found: Findings, number: int, words: list[str]) -> None:
    text = " ".join(words)
    if not text.strip(_IGNORED):
        return
    spelt = _SPELT_AT.fullmatch(text) if len(text) <= TEXT_MAX else None
    reason = Reason("address.no-at-but-spelt", address=f"{spelt[1]}@{spelt[2]}") if spelt else _NO_AT
    found.refuse(number, text, reason)


def _join(phrase: Sequence[Token]) -> str:
    return "".join(text for _, text in phrase).strip()


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])
