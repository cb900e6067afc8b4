"""What the tests of lists and of single addresses share: texts as people paste them, and the judge."""

from email_validator import validate_email
from hypothesis import strategies as st

from mailing.messages.headers import write_address

names = st.text(st.sampled_from("abÉấ .'-\"\\,;<>@()\u200d12\u0301"), max_size=12)
plain_addresses = st.from_regex(
    r"[A-Za-z0-9_+'.-]{1,8}@([A-Za-z0-9-]{1,5}\.){1,2}[A-Za-z0-9-]{1,5}", fullmatch=True
)
messy = st.text(
    st.sampled_from("ab1.@-_'\"\\<>()[],;: \t\n\r?*•–mailto:éßعİ\u0301\u200b\u200d\ufeff\xa0\x00＠。@@."),  # noqa: RUF001
    max_size=60,
)


def judged(email: str) -> bool:
    """Whether the judge takes an address as it goes over the line, our one exception (.test) included."""
    validate_email(
        write_address(email), check_deliverability=False, test_environment=True, allow_quoted_local=True
    )
    return "." in email.rpartition("@")[2]
