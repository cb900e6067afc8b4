"""What is good and what is not about a message, before it is sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailing.campaigns import preflight
from mailing.core.reasons import WORDING
from mailing.foreign.mail import read
from mailing.internet.findings import Light
from mailing.lists.shapes import survey
from mailing.messages import compose
from mailing.messages.compose import Message

GOOD = Message(
    "Ann Lee <ann@example.org>",
    "Picnic on Sunday",
    "Dear {{ name }}, bring a blanket. To unsubscribe, reply with a word.",
    "<p>Dear {{ name }}, bring a blanket for the picnic on Sunday, and something to eat for all of us, "
    'at <a href="https://park.example/map">the park</a>.</p><img src="cid:x" alt="Map">'
    '<a href="https://x.example/unsubscribe">Unsubscribe</a>',
)
PEOPLE = [("ben@x.example", "Ben Ng", None), ("cy@x.example", "Cy", None)]
RED, AMBER, GREEN = Light.RED, Light.AMBER, Light.GREEN


def found(message: Message, people=PEOPLE) -> dict[str, Light]:
    """The codes of what was found, each with its light."""
    email, name, fields = people[0]
    try:
        prepared = compose.prepare(message, token="t", domain=None)
        mail = read(prepared.fill(1, email, name, fields, 0).data)
    except (compose.ComposeError, compose.MergeError):
        mail = None
    findings = preflight.findings(message, len(people), survey(people), mail, name)
    return {finding.said.code.removeprefix("preflight."): finding.light for finding in findings}


def test_a_good_message_is_green_in_every_line():
    assert set(found(GOOD).values()) == {GREEN}
    assert len(found(GOOD)) == 10


@pytest.mark.parametrize(
    ("change", "code", "light"),
    [
        ({"subject": "   "}, "no-subject", RED),
        ({"subject": "x" * 71}, "long-subject", AMBER),
        ({"sender_from": '"Ann \U0001f389" <ann@example.org>'}, "emoji-name", AMBER),
        ({"sender_from": "For ben ng <ann@example.org>"}, "recipient-name", AMBER),
        ({"sender_from": '"boss@bank.example" <ann@example.org>'}, "address-name", RED),
        ({"sender_from": "ann@a.example, ben@b.example"}, "from.invalid", RED),
        ({"text": ""}, "no-text", AMBER),
        ({"text": " ", "html": ""}, "message.empty", RED),
        ({"html": GOOD.html + "<p>" + "x" * 91_000}, "nearly-clipped", AMBER),
        ({"html": GOOD.html + "<p>" + "x" * 101_000}, "clipped", RED),
        ({"html": GOOD.html + "<script>x()</script>"}, "danger.script", RED),
        ({"html": GOOD.html + "<b onclick=x()>x</b>"}, "danger.handler", RED),
        ({"html": GOOD.html + "<svg></svg>"}, "danger.drawing", AMBER),
        ({"html": GOOD.html + "<img src=x>"}, "no-alt", AMBER),
        ({"html": GOOD.html + f"<p style='display:none'>{'pills ' * 9}</p>"}, "hidden", AMBER),
        ({"text": "Hi", "html": ""}, "no-unsubscribe", AMBER),
        ({"subject": "PICNIC ON SUNDAY"}, "shouting", AMBER),
        ({"subject": "Picnic! Now!"}, "exclamation", AMBER),
        ({"subject": "RE: Picnic"}, "pretended-reply", AMBER),
        ({"html": "<img src=x alt=x>"}, "picture", AMBER),
        ({"html": GOOD.html + "<a href='https://bit.ly/x'>x</a>"}, "short-link", AMBER),
        ({"html": GOOD.html + "<a href='http://192.0.2.7/x'>x</a>"}, "bare-address", AMBER),
        ({"html": GOOD.html + "<a href='https://evil.example'>www.bank.example</a>"}, "other-link", AMBER),
        ({"text": "{{ city }}"}, "list-fault.no-column", RED),
        ({"text": "{{ name"}, "mark.never-closed", RED),
    ],
)
def test_what_is_wrong_is_one_line_of_its_own(change, code, light):
    lights = found(replace(GOOD, **change))
    if code not in lights and code.startswith("mark."):
        code = next(iter(lights))  # the template's own words
    assert lights[code] is light


@pytest.mark.parametrize(
    ("subject", "html"),
    [
        ("PICNIC", GOOD.html),
        ("Picnic!", GOOD.html),
        ("Regarding: picnic", GOOD.html),
        ("Picnic", GOOD.html + "<a href='https://www.bank.example/x'>bank.example</a>"),
        ("Picnic", GOOD.html + "<a href='https://x.example/a.b'>e.g. this</a>"),
        ("Picnic", GOOD.html + "<a href='http://[x'>x</a><a href='mailto:a@b.example'>a@b.example</a>"),
    ],
)
def test_what_only_looks_like_a_fault_is_none(subject, html):
    assert set(found(replace(GOOD, subject=subject, html=html)).values()) == {GREEN}


def test_blank_fields_are_counted_over_the_whole_list():
    people = [*PEOPLE, ("dan@x.example", "", None)]
    finding = next(
        it for it in preflight.findings(GOOD, 3, survey(people), None) if it.said.code == "preflight.blank"
    )
    assert (finding.light, finding.said.values) == (AMBER, {"field": "{{ name }}", "n": 1})
    assert "fields-fine" not in found(GOOD, people)


def test_a_field_that_somebody_lacks_is_told_once():
    message = replace(GOOD, text=f"{GOOD.text} {{{{ town }}}}", html="")
    people = [("ann@x.example", "Ann", {"town": "Hue"}), ("dan@x.example", "Dan", None)]
    codes = [it.said.code for it in preflight.findings(message, 2, survey(people), None)]
    assert "list-fault.no-value" in codes
    assert "preflight.blank" not in codes


def test_a_list_of_nobody_is_red():
    (finding, *_more) = preflight.findings(GOOD, 0, survey([]), None)
    assert (finding.light, finding.said.code) == (RED, "list-fault.no-addresses")


@pytest.mark.parametrize(
    "words", ["Unsubscribe here", "opt-out", "Hủy đăng ký", "Huỷ đăng ký", "Abmelden", "退订"]
)
def test_the_way_to_unsubscribe_is_known_in_several_languages(words):
    assert found(replace(GOOD, text=words, html=""))["unsubscribe-fine"] is GREEN


def test_links_are_found_once_in_both_parts_but_none_that_unsubscribes():
    message = replace(
        GOOD,
        text="See https://park.example/map, and (https://b.example/x). Leave: https://x.example/optout/7",
        html=GOOD.html + '<a href="https://c.example/7">Hủy đăng ký</a><a href="mailto:a@b.example">x</a>',
    )
    data = compose.prepare(message, token="t", domain=None).fill(1, "b@x.example", "B", None, 0).data
    assert preflight.links(read(data)) == ("https://park.example/map", "https://b.example/x")


def test_what_is_not_good_says_what_to_do():
    todo = {code for code in WORDING if code.startswith("preflight.") and code.endswith("-todo")}
    said = {
        code for code in WORDING if code.startswith("preflight.") and not code.endswith(("-todo", "-fine"))
    }
    assert {f"{code}-todo" for code in said if not code.startswith("preflight.duration")} == todo
