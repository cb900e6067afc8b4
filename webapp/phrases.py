"""What ``mailing`` says, in the reader's language: known sentences are recognised by their pattern.

``mailing`` speaks English, to logs, to programs and to the database. Where a page shows its sentence, ``say``
translates it. What it does not know, a server's own words above all, it returns as it is.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from webapp import languages
from webapp.languages import N_, _

LISTS = (
    N_("There is no @ in it. Write it like name@example.org."),
    N_("There is no @ in it. Write it like %(address)s."),
    N_("There is no @ in it. Write name@example.org, or a name like this: Ann Lee <ann@example.org>."),
    N_("There is a space in it. Write the address without spaces."),
    N_("There is an unreadable character in it. Type the address again."),
    N_("It has more than one @. Write one address with one @."),
    N_("There is nothing before the @. Write it like name@example.org."),
    N_("There is nothing after the @. Write it like name@example.org."),
    N_("An IP address in brackets is not accepted. Write the name of the mail domain."),
    N_("The part after the @ has no dot. Write it like name@example.org."),
    N_("It has %(n)s characters. An address has at most %(most)s."),
    N_("There are %(n)s bytes before the @. At most %(most)s are allowed."),
    N_("The name has %(n)s characters. Shorten it to %(most)s."),
    N_("There is no address between < and >."),
    N_("There is no address in this row."),
    N_("The row is empty."),
    N_('The row is no object. Write it like {"email": "ann@example.org", "name": "Ann"}.'),
    N_('The row has no "email" that is a string.'),
    N_('"name" is no string.'),
    N_("There is a line break or control character in the name. Take it out."),
    N_("%(field)s is no field name. Use letters, digits and _, not a digit first."),
    N_("The field %(field)s is no string, number, true or false."),
    N_("The number in the field %(field)s has too many digits. Write it in quotation marks."),
    N_("It has more than one address. Write each in a row of its own."),
    N_("There is a character in the field %(field)s that is no text. Take it out."),
    N_("The field %(field)s is too long. A field takes at most 64 KB."),
    N_("The list has more than %(most)s unusual domains before it. Put the rest into a list of its own."),
    N_("A list takes at most %(most)s addresses. This line and what follows were not read."),
    N_("More than %(most)s lines were refused. This line and what follows were not read."),
    N_("unusual: quotation marks before the @; kept"),
    N_("unusual: a dot at an end, or two in a row, before the @; kept"),
    N_("the row has more addresses, which get nothing: %(who)s"),
    N_("differs from line %(n)s only in the case of the local part; kept"),
    N_("same as line %(n)s"),
    N_("same as line %(n)s; this line says more, so its values count"),
    N_("same as line %(n)s; it adds: %(fields)s"),
)
"""Of ``freetext``, ``rows``, ``mailboxes`` and ``findings``: why a line was refused or noted."""

ADDRESSES = (
    N_("An email address cannot have two periods in a row."),
    N_("An email address cannot have a period and a hyphen next to each other."),
    N_("An email address cannot start with a period."),
    N_("An email address cannot end with a hyphen."),
    N_("An email address cannot have a period immediately before the @-sign."),
    N_("An email address cannot have a period immediately after the @-sign."),
    N_("An email address cannot have a hyphen immediately after the @-sign."),
    N_("The email address contains invalid characters before the @-sign: %(signs)s."),
    N_("The part after the @-sign contains invalid characters: %(signs)s."),
    N_("The part after the @-sign is not valid. It is not within a valid top-level domain."),
    N_("The part after the @-sign is a special-use or reserved name that cannot be used with email."),
)
"""Of the package email-validator: why it refuses what passes ``mailboxes``; the usual cases."""

MESSAGES = (
    N_(
        "From must be one address on one line, like ann@example.org or Ann Lee <ann@example.org>. "
        'Quote a name with a comma: "Lee, Ann" <ann@example.org>.'
    ),
    N_("The From address %(address)s cannot be used. %(reason)s"),
    N_("The subject has a line break. Write it on one line."),
    N_("The %(part)s has %(n)s characters. Shorten it to %(most)s."),
    N_("A character in the %(part)s is no text. Type it again."),
    N_("From has a merge field, but it is the same for everybody. Write the name itself."),
    N_("Line %(n)s of the %(part)s, column %(column)s, cannot be read: %(code)s. %(reason)s"),
    N_("Write fields like {{ name }}."),
    N_("The name of a field has no hyphen and no space: write %(field)s."),
    N_("It does not end: write %(end)s where it ends."),
    N_("It does not end: a quotation mark opens in it and does not close: %(sign)s."),
    N_("It has no {%% if %%} before it."),
    N_("It has no {%% raw %%} before it."),
    N_("It needs {%% endif %%} where it ends."),
    N_("It needs {%% endraw %%} where it ends."),
    N_("Write %(code)s, or {%% elif … %%} with a condition."),
    N_("Line %(n)s of the %(part)s, column %(column)s, is nested too deeply. Make it simpler."),
    N_(
        "Line %(n)s of the %(part)s, column %(column)s, is nested too deeply or has a number that is too "
        "long. Make it simpler."
    ),
    N_(
        "The %(part)s has more than %(most)s characters inside {{ }} and {%% %%}, up to line %(n)s. "
        "Use fewer fields and conditions."
    ),
    N_(
        "Line %(n)s of the %(part)s, column %(column)s, has %(what)s, which a message cannot use. Use only "
        "%(allowed)s."
    ),
    N_("The message would have %(size)s, and at most %(most)s can be sent. Shorten it."),
    N_(
        "The message would have up to %(size)s, and at most %(most)s can be sent. %(field)s makes %(share)s "
        "of it: it is used %(times)s times, and its longest value has %(n)s bytes. Use it less often, or "
        "shorten its values."
    ),
    N_(
        "%(field)s: The message would have more than %(most)s: this field is used %(times)s times and has "
        "%(n)s characters. Shorten it."
    ),
    N_("%(field)s: This recipient has no such field. Add it, or write %(fix)s."),
    N_("%(field)s: It has a line break, and the subject uses it. Take the break out."),
    N_("%(field)s: It has a character that no header may hold. Take the line break out."),
    N_("%(field)s: A character in it is no text. Take it out."),
    N_(
        "%(field)s: Line %(n)s of the %(part)s, column %(column)s: %(code)s may print more than %(most)s "
        "characters. Shorten the values in it."
    ),
    N_("%(field)s: Line %(n)s of the %(part)s, column %(column)s: %(code)s cannot be worked out."),
    N_(
        "%(field)s: Line %(n)s of the %(part)s, column %(column)s: %(code)s cannot be worked out where "
        "%(kinds)s."
    ),
    N_(
        "The message uses the merge field %(field)s, but no recipient has it: %(who)s. "
        "Remove it or add it to the list."
    ),
    N_(
        "The message uses the merge field %(field)s, but no recipient has it. The list has %(meant)s: "
        "write that."
    ),
    N_(
        "The message uses the merge field %(field)s, but it is missing for %(n)s of %(total)s recipients: "
        "%(who)s. Add it to the list, write %(fix)s, or remove it."
    ),
    N_("%(reason)s This is so for %(n)s of %(total)s recipients: %(who)s."),
    N_("Line %(n)s of the %(part)s, column %(column)s: %(code)s cannot be worked out."),
    N_("Line %(n)s of the %(part)s, column %(column)s: %(code)s cannot be worked out where %(kinds)s."),
    N_("Campaign %(id)s was changed meanwhile. Look at it again first."),
    N_("The list holds no address that can be mailed. Edit the draft and paste one."),
    N_("Its list is being stored. If it still is in two minutes, edit the draft and paste it again."),
    N_("The list was replaced by somebody else meanwhile, or storing it took too long. Paste it again."),
    N_("There is no such campaign."),
    N_("Campaign %(id)s is %(state)s, so it cannot %(action)s. It allows: %(offered)s."),
    N_("Campaign %(id)s is %(state)s, so it cannot %(action)s. It is over."),
    N_("Campaign %(id)s is %(state)s, so this cannot be done: %(action)s."),
    N_("Campaign %(id)s is busy with this already: %(action)s. Wait until it is done."),
)
"""Of ``marks``, ``merging``, ``composing``, ``headers``, ``campaigns``, ``drafts``, ``decisions``."""

SENDING = (
    N_("Not sent: the address holds characters that no address may hold."),
    N_("Not sent: the From address holds characters that no address may hold."),
    N_("Not sent: the message has %(n)s bytes, the server takes %(most)s."),
    N_("Not sent: the message is 8-bit and the server takes only 7-bit ones."),
    N_("Not sent: the address needs international email (SMTPUTF8), which the server lacks."),
    N_("The connection was lost after the message was handed over, before the reply: %(reason)s"),
    N_("The connection was lost before the message was handed over (%(stage)s): %(reason)s"),
    N_("The worker ended before the server's reply was recorded. It may have been delivered."),
    N_("Marked as sent by a person. No server confirmed it."),
    N_("The message cannot be composed for this recipient: %(reason)s"),
    N_("Handed back: %(reason)s"),
    N_("it may not be sent any more."),
    N_("the connection had to close, its envelope was another mail's."),
    N_("Volley closed the connection."),
    N_("The server closed the connection."),
    N_("The connection broke."),
    N_("The connection broke: %(reason)s."),
    N_("The server did not answer within %(n)s seconds."),
    N_("The server refused the sender, but waits for the text."),
    N_("The server sent a reply that nothing asked for: %(reply)s"),
    N_("The server sent a reply of more than %(most)s bytes."),
    N_("The server sent a line of more than %(most)s bytes."),
    N_("The server sent a line that is no SMTP reply: %(reply)s."),
)
"""Of ``smtp``, ``wire``, ``replies``, ``sweeping`` and ``decisions``: what stands where a reply would."""

SERVERS = (
    N_("%(server)s asks to be sent less: %(reply)s"),
    N_("%(server)s closed the connection as soon as it was open."),
    N_("%(server)s did not answer within %(n)s seconds."),
    N_("%(server)s refused: %(reply)s"),
    N_("%(server)s refused the sign-in by %(way)s: %(reply)s"),
    N_(
        "%(server)s refused the sign-in by %(way)s: %(reply)s If the password is right, choose another way "
        "in VOLLEY_SMTP_URL: %(ways)s."
    ),
    N_(
        "%(server)s does not offer the sign-in that ?auth=%(way)s asks for. It offers: %(ways)s. Choose one "
        "of these in VOLLEY_SMTP_URL, or leave ?auth= out."
    ),
    N_("%(n)s recipients were refused for a reason that is not theirs. Check %(mend)s. The reply: %(reply)s"),
    N_("The sender was refused. Check %(mend)s. The reply: %(reply)s"),
    N_("%(server)s sent no SMTP reply: %(reply)s"),
    N_("%(server)s could not be reached (%(stage)s): %(reason)s"),
    N_("%(server)s could not be talked to (%(stage)s): %(reason)s"),
    N_(
        "%(server)s offers no STARTTLS. Nothing was sent unprotected; check the port, or use smtps:// or "
        "smtp:// for this sender."
    ),
    N_(
        "%(server)s offers no sign-in that Volley knows (PLAIN, LOGIN, CRAM-MD5). It may want TLS first, or "
        "no user name at all."
    ),
    N_(
        "The certificate of %(server)s is not to be trusted: %(reason)s Nothing was sent. Use the host name "
        "that the certificate names, or have it mended."
    ),
)
"""Of ``opening`` and ``lanes``: what keeps a worker from sending."""

FOREIGN = (
    N_("The message is empty."),
    N_("The message has no header."),
    N_("The message has %(n)s bytes. Only the first %(most)s are read."),
    N_("The lines end with a lone CR, which mail does not allow. They are read all the same."),
    N_("The header is too long. It is read up to field %(n)s."),
    N_("The header ends with a line that is not a header field. The text begins there."),
    N_("The field %(name)s has %(n)s bytes. Only the first %(most)s are read."),
    N_("The field %(name)s holds bytes that are not UTF-8. They are shown as Latin-1."),
    N_("The field %(name)s names %(n)s addresses. The first %(most)s are shown."),
    N_("The field %(name)s holds no address that can be read. It is shown as it came."),
    N_("The field %(name)s has more than %(most)s parameters. The rest is not read."),
    N_("There are %(n)s fields called %(name)s. The first is read."),
    N_("The Message-ID cannot be read. It is shown as it came."),
    N_("The Content-Type %(quoted)s cannot be read. The part is shown as plain text."),
    N_("The charset %(quoted)s cannot be used. The text is shown as %(other)s."),
    N_("The text should be ASCII and is not. It is shown as %(other)s."),
    N_("Some bytes are not valid %(name)s. Each is shown as %(mark)s."),
    N_("The text holds NUL bytes or broken characters. Each is shown as %(mark)s."),
    N_("The transfer encoding %(quoted)s is unknown. The part is shown as it came."),
    N_("The base64 is broken. What could be decoded is shown."),
    N_("The part should be base64 and is not. It is shown as it came."),
    N_("The quoted-printable text is broken. What could not be decoded is shown as it came."),
    N_("The uuencoded part is broken. What could be decoded is shown."),
    N_("The part should be uuencoded and is not. It is shown as it came."),
    N_("A multipart names no boundary. It is shown as plain text."),
    N_("The boundary of a multipart does not occur in it. It is shown as plain text."),
    N_("A multipart has no end. The message may have been cut off."),
    N_("There are too many boundaries to look for. The rest is not divided into parts."),
    N_("Parts are nested more than %(n)s deep. What lies deeper is shown as plain text."),
    N_("There are more than %(most)s parts. The rest is not shown."),
    N_("A part is in Outlook's own format (TNEF). It is listed as a file."),
)
"""Of ``foreign_mail`` and the rooms below it: what could not be read of a message as it came."""

DATABASES = (
    N_("All connections to the database are in use. Try again in a few seconds."),
    N_("The database is locked by another process. Try again in a few seconds."),
    N_("The disk that holds %(name)s is full. Make room on it; what was stored is safe."),
    N_("The database %(name)s is damaged. Stop Volley and restore a backup of it."),
    N_("%(name)s is no SQLite database. Name another file in VOLLEY_DATABASE_URL, or restore a backup."),
    N_(
        "The database %(name)s cannot be written to. Give Volley's user the right to write it and its folder."
    ),
    N_("%(name)s cannot be opened. Give Volley's user the right to read and write it and its folder."),
    N_("The folder of %(name)s is missing. Make it, or name another file in VOLLEY_DATABASE_URL."),
    N_("%(name)s is a folder, no file. Name a file in VOLLEY_DATABASE_URL."),
    N_("The disk that holds %(name)s cannot be read or written. Check the disk and the file system."),
    N_("The database %(name)s lacks tables of this version. Run: make migrate"),
    N_("The disk of the PostgreSQL server at %(name)s is full. Make room there; what was stored is safe."),
    N_("The PostgreSQL server at %(name)s is out of memory. Try again, or give it more."),
    N_("The database %(name)s is read-only. Name the primary server in VOLLEY_DATABASE_URL."),
    N_(
        "The PostgreSQL server at %(name)s takes no more connections. Try again, or raise its "
        "max_connections."
    ),
    N_("The PostgreSQL server at %(name)s is starting or stopping. Try again in a few seconds."),
    N_("The PostgreSQL server at %(name)s refuses the user or password. Check VOLLEY_DATABASE_URL."),
    N_("Volley's user may not use what it needs in %(name)s. Make it the owner of the database."),
    N_("There is no database %(name)s. Make it, or name another in VOLLEY_DATABASE_URL."),
    N_("VOLLEY_DATABASE_URL has an option that PostgreSQL's library does not take: %(said)s."),
    N_("The database %(name)s does not answer: %(said)s. Check that it runs, and VOLLEY_DATABASE_URL."),
    N_("The database %(name)s failed: %(said)s. Check VOLLEY_DATABASE_URL."),
)
"""Of ``database_errors``: why nothing can be read or stored."""

QUEUES = (
    N_("Redis at %(name)s is a read-only replica. Name its primary in VOLLEY_REDIS_URL."),
    N_(
        "Redis at %(name)s cannot write to its disk and refuses all changes. Make room there, or see its log."
    ),
    N_("Redis at %(name)s is still loading its data. Wait until it has."),
    N_("Redis at %(name)s refuses the user or password. Check VOLLEY_REDIS_URL."),
    N_("Redis at %(name)s forbids Volley's user what it needs. Allow it with: ~volley:* &volley:* +@all"),
    N_("Redis at %(name)s takes no more connections. Raise its maxclients."),
    N_("Redis at %(name)s lacks the replicas without which it takes no changes. Start them."),
    N_("Redis at %(name)s has lost its primary server. Start that, or name it in VOLLEY_REDIS_URL."),
    N_("Redis at %(name)s is a cluster, which Volley cannot use. Name a single server in VOLLEY_REDIS_URL."),
    N_("Redis at %(name)s is busy with a script. Wait, or end it with: redis-cli script kill"),
    N_("Redis at %(name)s has no database of this number. Name another in VOLLEY_REDIS_URL."),
    N_("Redis at %(name)s does not answer: %(said)s. Start it, or set VOLLEY_REDIS_URL."),
)
"""Of ``redis_errors``: why Redis takes no work."""

MENDING = (
    N_("the user name and the password of the sender"),
    N_("how the sender signs in"),
    N_("the From address: the sender must know it as yours"),
    N_("the account at the sender"),
    N_("the SPF, DKIM and DMARC records of the From domain"),
    N_("the SPF and DKIM records of the From domain"),
    N_("the SPF record of the From domain"),
    N_("the DMARC record of the From domain, and that From is the domain that signs"),
    N_("the DMARC record of the From domain, and the message"),
    N_("the DKIM signature and its record"),
    N_("the reverse name (PTR) of the sending machine"),
    N_("TLS: use smtp+starttls:// or smtps:// for the sender"),
    N_("that the domain of the From address exists and takes mail (SOA, MX or A record)"),
    N_("why the sender is banned"),
    N_("that the sender may relay: it may want a user name and a password"),
    N_("the message: its form is not accepted"),
    N_("the message: its content or its links are not accepted"),
    N_("the message: it is taken for spam"),
    N_("the sender: its server does not let Volley in"),
    N_("the From address"),
    N_("the From address and the account at the sender"),
    N_("the message and the account at the sender"),
)
"""Of ``rulebook.toml``: what a person has to look at."""

_WORDS = (
    *(N_("text"), N_("html"), N_("subject")),
    *(N_("empty"), N_("a number"), N_("text with a line break"), N_("true"), N_("false")),
    *(N_("draft"), N_("scheduled"), N_("sending"), N_("paused"), N_("finished"), N_("canceled")),
    *(N_("edit"), N_("send"), N_("pause"), N_("resume"), N_("cancel")),
    *(N_("retry"), N_("resend-unknown"), N_("mark-unknown-sent"), N_("skip"), N_("fail")),
    *MENDING,
)
_SPOKEN = frozenset({"part", "state", "action", "offered", "mend"})  # values that are words of ours
_FIELD = re.compile(r"%\((\w+)\)s")


def say(text: str) -> str:
    """Return a sentence of ``mailing`` in the language now, and anything else as it is."""
    if languages.current() == languages.ENGLISH or not text or text[0].isdigit():  # a server's reply
        return text
    return _said(text, languages.current())


@lru_cache(maxsize=2_000)
def _said(text: str, _language: str) -> str:
    known, patterns = _phrases()
    if text in known:
        return _(known[text])
    for message, pattern in patterns:
        if found := pattern.fullmatch(text):
            return _(message, **{name: _value(name, value) for name, value in found.groupdict().items()})
    return text


def _value(name: str, value: str) -> str:
    if name == "reason":
        return say(value)
    if name == "kinds":
        pairs = (pair.rpartition(" is ") for pair in value.split(", "))
        return ", ".join(_("%(name)s is %(kind)s", name=field, kind=_(kind)) for field, _is, kind in pairs)
    if name not in _SPOKEN:
        return value
    if value in _WORDS:
        return _(value)
    return ", ".join(_(word) if word in _WORDS else word for word in value.split(", "))


@cache
def _phrases() -> tuple[dict[str, str], tuple[tuple[str, re.Pattern[str]], ...]]:
    """Return the sentences without values as they read, and the others as patterns, the most exact first."""
    sentences = (*LISTS, *ADDRESSES, *MESSAGES, *SENDING, *SERVERS, *FOREIGN, *DATABASES, *QUEUES)
    fixed = {sentence.replace("%%", "%"): sentence for sentence in sentences if not _FIELD.search(sentence)}
    filled = sorted((s for s in sentences if _FIELD.search(s)), key=lambda s: -len(_FIELD.sub("", s)))
    return fixed, tuple((sentence, _pattern(sentence)) for sentence in filled)


def _pattern(sentence: str) -> re.Pattern[str]:
    parts = _FIELD.split(sentence)  # text, name, text, name ... text
    read = (
        f"(?P<{part}>.+)" if at % 2 else re.escape(part.replace("%%", "%")) for at, part in enumerate(parts)
    )
    return re.compile("".join(read), re.DOTALL)
