"""What the benchmarks send: about 2 KB of text and HTML that name the recipient. Pure."""

from __future__ import annotations

from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

from jinja2 import Environment

from mailing.campaigns.drafts import Draft

FROM = "Volley Bench <bench@sender.example>"
_LINE = "this is a line of a newsletter that is long enough\n"
DRAFT = Draft(
    FROM,
    "News for {{ name }}",
    f"Hello {{{{ name }}}},\n{_LINE * 17}Sent to {{{{ email }}}}.\n",
    f"<p>Hello <b>{{{{ name }}}}</b>,</p>{f'<p>{_LINE}</p>' * 14}<p>Sent to {{{{ email }}}}.</p>",
)

_plain, _pages = Environment(autoescape=False), Environment(autoescape=True)
_SUBJECT, _TEXT = _plain.from_string(DRAFT.subject), _plain.from_string(DRAFT.text)
_HTML = _pages.from_string(DRAFT.html)


def address(number: int) -> str:
    """Return the address of the ``number``-th recipient."""
    return f"user{number}@d{number % 100}.example"


def people(n: int) -> list[str]:
    """Return a list as it is pasted."""
    return [f"User {number} <{address(number)}>" for number in range(n)]


def compose(name: str, email: str) -> bytes:
    """Compose as the baselines do: compiled Jinja templates and the standard library.

    ``MIMEText`` and not ``EmailMessage``, which takes three times as long.
    """
    values = {"name": name, "email": email}
    mail = MIMEMultipart("alternative")
    mail["From"], mail["To"], mail["Subject"] = FROM, email, _SUBJECT.render(values)
    mail.attach(MIMEText(_TEXT.render(values)))
    mail.attach(MIMEText(_HTML.render(values), "html"))
    return mail.as_bytes()
