from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.smtp.replies import MAX_LINE, MAX_REPLY, Reply, ReplyError, ReplyParser, reply_from


def parse(data: bytes) -> list[Reply]:
    return ReplyParser().feed(data)


# Reading


def test_a_reply_keeps_its_line_verbatim():
    assert parse(b"250 2.1.5 Ok  <a@b>\r\n") == [Reply(250, "2.1.5", "250 2.1.5 Ok  <a@b>")]


def test_several_replies_in_one_portion_come_in_order():
    assert [reply.code for reply in parse(b"250 a\r\n550 b\r\n354 c\r\n")] == [250, 550, 354]


def test_a_reply_of_many_lines_is_one_reply():
    (reply,) = parse(b"550-5.1.1 No such\r\n550-5.1.1 user\r\n550 5.1.1 here\r\n")
    assert reply == Reply(550, "5.1.1", "550-5.1.1 No such\n550-5.1.1 user\n550 5.1.1 here")


def test_the_last_code_counts_where_the_lines_of_a_reply_differ():
    (reply,) = parse(b"450-wait\r\n550 no\r\n")
    assert reply.code == 550
    assert reply.text == "450-wait\n550 no"


def test_a_reply_that_arrives_byte_by_byte_is_read():
    parser = ReplyParser()
    replies = [reply for byte in b"250-a\r\n250 b\r\n" for reply in parser.feed(bytes([byte]))]
    assert replies == [Reply(250, "", "250-a\n250 b")]


@pytest.mark.parametrize("line", [b"250 ok\n", b"250 ok\r\n"])
def test_a_bare_line_feed_ends_a_line_too(line):
    assert parse(line)[0].text == "250 ok"


@pytest.mark.parametrize("line", [b"250\r\n", b"250 \r\n", b"250\tok\r\n"])
def test_a_reply_without_text_is_a_reply(line):
    assert parse(line)[0].code == 250


def test_bytes_that_are_no_utf8_are_shown_escaped():
    assert parse(b"550 caf\xe9\r\n")[0].text == "550 caf\\xe9"
    assert parse("550 café\r\n".encode())[0].text == "550 café"


def test_control_characters_are_shown_escaped_for_no_database_takes_them_all():
    assert parse(b"550 a\x00b\x1b[1m\x7f\r\n")[0].text == "550 a\\x00b\\x1b[1m\\x7f"


@pytest.mark.parametrize(
    ("line", "enhanced"),
    [
        (b"250 2.1.0 ok", "2.1.0"),
        (b"550 5.1.1", "5.1.1"),
        (b"550 4.2.2 class differs", "4.2.2"),
        (b"550 3.1.1 no such class", ""),
        (b"550 5.1 too short", ""),
        (b"550 5.1.1000 too long", ""),
        (b"550 5.1.1.1 too many", ""),
        (b"550 see 5.1.1 later", ""),
        (b"550-hello\r\n550 5.7.1 on the second line", "5.7.1"),
    ],
)
def test_an_enhanced_code_is_taken_only_if_it_is_valid(line, enhanced):
    assert parse(line + b"\r\n")[0].enhanced == enhanced


@pytest.mark.parametrize(
    "line", [b"hello", b"", b"25 ok", b"2500 ok", b"150 ok", b"650 ok", b"250_ok", b" 250 ok"]
)
def test_what_is_no_reply_is_an_error(line):
    with pytest.raises(ReplyError, match="invalid SMTP reply"):
        parse(line + b"\r\n")


def test_replies_before_a_fault_are_not_lost():
    with pytest.raises(ReplyError) as error:
        parse(b"250 ok\r\ngarbage\r\n250 ok\r\n")
    assert [reply.code for reply in error.value.replies] == [250]


def test_a_line_without_end_is_an_error_before_it_fills_the_memory():
    parser = ReplyParser()
    parser.feed(b"2" * MAX_LINE)
    with pytest.raises(ReplyError, match="line longer than"):
        parser.feed(b"22")


def test_a_line_as_long_as_allowed_is_read():
    line = b"250 " + b"x" * (MAX_LINE - 4)
    assert parse(line + b"\r\n")[0].text == line.decode()
    with pytest.raises(ReplyError, match="line longer than"):
        parse(line + b"x\r\n")


def test_a_reply_without_end_is_an_error():
    with pytest.raises(ReplyError, match="reply longer than"):
        parse(b"250-and so on\r\n" * MAX_REPLY)


def read_in(portions: list[bytes]) -> tuple[list[Reply], bool]:
    parser, replies = ReplyParser(), []
    try:
        for portion in portions:
            replies += parser.feed(portion)
    except ReplyError as error:
        return replies + error.replies, True
    return replies, False


SMTP_LIKE = st.lists(
    st.sampled_from(
        [b"250 ok\r\n", b"250-more\r\n", b"550 5.1.1 no\n", b"4", b"21", b" ", b"-", b"\r\n", b"\n", b"\r"]
    )
    | st.binary(max_size=8),
    max_size=30,
).map(b"".join)


@given(SMTP_LIKE, st.data())
def test_replies_are_the_same_however_their_bytes_were_split(data, chance):
    cuts = sorted(chance.draw(st.lists(st.integers(0, len(data)), max_size=8)))
    edges = [0, *cuts, len(data)]
    portions = [data[start:end] for start, end in pairwise(edges)]
    assert read_in(portions) == read_in([data]) == read_in([data[i : i + 1] for i in range(len(data))])


@pytest.mark.parametrize(
    ("line", "enhanced"),
    [
        ("550 sorry, too many emails (#5.7.1)", "5.7.1"),
        ("550 5.7.1 (4.2.2) the first place counts", "5.7.1"),
        ("550 #5.1.0 Address rejected.", "5.1.0"),
        ("550 <ann@one.example>: 5.1.1 no such user", "5.1.1"),
        ("550 <ann@one.example> 5.1.1 no such user", "5.1.1"),
        ("550 rejected [5.7.1]", "5.7.1"),
        ("550 rejected [#5.7.1] for policy", "5.7.1"),
        ("550 5.7.1: rejected", "5.7.1"),
        ("554 said: 550 5.7.26 unauthenticated", "5.7.26"),
        ("451-busy\r\n451 later (4.3.2)", "4.3.2"),
        ("550 your host [5.7.1.9] is listed", ""),
        ("550 exim (4.96.2a) says no", ""),
        ("550 no code at all", ""),
        ("250 ok (5.7.1)", ""),
    ],
)
def test_the_enhanced_code_of_a_refusal_is_read_wherever_servers_write_it(line, enhanced):
    (reply,) = parse(line.encode() + b"\r\n")
    assert reply.enhanced == enhanced


def test_a_reply_can_be_rebuilt_from_its_code_and_message():
    assert reply_from(535, "5.7.8 Wrong\nuser") == Reply(535, "5.7.8", "535-5.7.8 Wrong\n535 user")
    assert reply_from(535, "") == Reply(535, "", "535 ")
