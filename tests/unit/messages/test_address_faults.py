"""What the package email-validator says about an address has a code of ours."""

from __future__ import annotations

import pytest
from email_validator import EmailNotValidError, validate_email

from mailing.messages.address_faults import reason_of


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("a..b@x.example", "misplaced-dot"),
        (".a@x.example", "misplaced-dot"),
        ("a@x..example", "misplaced-dot"),
        ("a@-x.example", "misplaced-hyphen"),
        ("a@x-.example", "misplaced-hyphen"),
        ("a@ab--x.example", "misplaced-hyphen"),
        ("a(b)@x.example", "local-part-characters"),
        ("a@x_y.example", "domain-characters"),
        ("a@x.1", "domain-unknown"),
        ("a@x.local", "domain-reserved"),
        (f"a@{'x' * 64}.example", "domain-too-long"),
        (f"a@{'x.' * 130}example", "domain-too-long"),
        ("a@localdomain", "no-dot"),
        ("nobody", "invalid"),
    ],
)
def test_a_refusal_has_its_code(address, code):
    with pytest.raises(EmailNotValidError) as refusal:
        validate_email(address, check_deliverability=False)
    assert reason_of(refusal.value).code == f"address.{code}"
