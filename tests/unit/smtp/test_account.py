"""An SMTP account is read from its URL, and what cannot be used says how to write it."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.smtp.account import Sender, parse_sender

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("url", "sender"),
    [
        ("smtp://mail.x.example", Sender("mail.x.example", 25, "none")),
        ("smtp://mail.x.example/", Sender("mail.x.example", 25, "none")),
        ("smtp+starttls://mail.x.example", Sender("mail.x.example", 587, "starttls")),
        ("smtps://mail.x.example", Sender("mail.x.example", 465, "tls")),
        ("SMTPS://Mail.X.example:2465", Sender("mail.x.example", 2465, "tls")),
        ("smtp://[::1]:1025", Sender("::1", 1025)),
        ("smtps://ann:p%40ss%2F%3A@mail.x.example", Sender("mail.x.example", 465, "tls", "ann", "p@ss/:")),
        (
            "smtps://ann@x.example:word@mail.x.example",
            Sender("mail.x.example", 465, "tls", "ann@x.example", "word"),
        ),
        ("smtps://ann:a:b+c@mail.x.example", Sender("mail.x.example", 465, "tls", "ann", "a:b+c")),
        ("smtps://%C3%A9:é@mail.x.example", Sender("mail.x.example", 465, "tls", "é", "é")),
    ],
)
def test_a_url_names_server_protection_and_account(url, sender):
    assert parse_sender(url) == sender


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "must start with smtp://"),
        ("mail.x.example:25", "must start with smtp://"),
        ("http://mail.x.example", "must start with smtp://"),
        ("smtp://", "has no host"),
        ("smtp://:25", "has no host"),
        ("smtp://h:0", "1 to 65535"),
        ("smtp://h:65536", "1 to 65535"),
        ("smtp://h:mail", "1 to 65535"),
        ("smtp://h:25/x", "must end after host and port"),
        ("smtp://h:25?x=y", "must end after host and port"),
        ("smtp://u:p@h:25?auth=gssapi", "use one of plain, login, cram-md5"),
        ("smtp://u:p@h:25?auth=", "use one of plain, login, cram-md5"),
        ("smtp://u:p@h:25?auth=plain&x=y", "use one of plain, login, cram-md5"),
        ("smtp://h:25?auth=plain", "no user and password"),
        ("smtp://u:p?word@h:25", "must end after host and port"),
        ("smtp://ann@h", "both a user and a password"),
        ("smtp://ann:@h", "both a user and a password"),
        ("smtp://:word@h", "both a user and a password"),
        ("smtp://a b", "a space or a line break"),
        ("smtp://ann:wo\nrd@h", "a space or a line break"),
        ("smtp://ann:wo%FFrd@h", "not UTF-8"),
        ("smtp://ann:wo%00rd@h", "%00"),
        ("smtp://[::1", "percent-encode"),
    ],
)
def test_a_url_that_cannot_be_used_says_how_to_write_it(url, words):
    with pytest.raises(ValueError, match=words):
        parse_sender(url)


@pytest.mark.parametrize("mark", [*"/?#[]@% \n\0", "℀", "%ff", "]["])
def test_no_refusal_quotes_the_password(mark):
    """Settings are read where logs are written."""
    try:
        parse_sender(f"smtp://ann:sec{mark}ret:x@mail.x.example:z")
    except ValueError as refusal:
        assert "sec" not in str(refusal)  # noqa: PT017  # whether it is refused is not the question
        assert "ret" not in str(refusal)  # noqa: PT017


@given(words, words)
def test_any_user_and_password_survive_percent_encoding(username, password):
    sender = parse_sender(f"smtps://{quote(username, safe='')}:{quote(password, safe='')}@mail.x.example")
    assert (sender.username, sender.password) == (username, password)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["", "smtp://", "smtps://ann:"]))
def test_any_text_is_a_sender_or_refused_with_a_sentence(text, start):
    try:
        sender = parse_sender(start + text)
    except ValueError as refusal:
        assert str(refusal).split()[0] in {"must", "has", "needs", "cannot"}  # noqa: PT017
    else:
        assert sender.host
        assert 1 <= sender.port <= 65535


def test_the_password_is_not_shown_where_the_record_is():
    assert "secret" not in repr(parse_sender("smtps://ann:secret@mail.x.example"))


def test_the_server_is_written_as_host_and_port():
    assert parse_sender("smtp://mail.x.example").server == "mail.x.example:25"
    assert parse_sender("smtp://[::1]:1025").server == "[::1]:1025"


def test_the_number_of_connections_is_taken_over():
    assert parse_sender("smtp://h", connections=3).connections == 3


@pytest.mark.parametrize(
    ("query", "auth"),
    [("", ""), ("?auth=plain", "plain"), ("/?AUTH=Login", "login"), ("?auth=cram-md5", "cram-md5")],
)
def test_the_way_to_sign_in_can_be_chosen(query, auth):
    sender = parse_sender(f"smtps://u:p@mail.example.com{query}")
    assert (sender.auth, sender.account) == (auth, "u@mail.example.com:465")


def test_an_account_without_a_user_is_its_server():
    assert parse_sender("smtp://mail.example.com").account == "mail.example.com:25"
