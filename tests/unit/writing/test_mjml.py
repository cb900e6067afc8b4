"""MJML becomes HTML, and what is wrong with it is told with its place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from mailing.messages.compose import ComposeError
from mailing.writing import mjml
from tests.unit.writing.test_written import marks_of, source

SECTIONS = (
    "<mj-section><mj-column><mj-text>«field» <b title='«field»'>x</b><br></mj-text></mj-column></mj-section>",
    "«if»<mj-section><mj-column>«if»<mj-text>«field»</mj-text>«endif»</mj-column></mj-section>«endif»",
    '<mj-section><mj-column><mj-button href="«field»">«field»</mj-button></mj-column></mj-section>',
    '<mj-section><mj-column><mj-image src="«field»" alt="«field»" href="«field»" /></mj-column></mj-section>',
    "<mj-section><mj-column><mj-table>«if»<tr><td>«field»</td></tr>«endif»</mj-table></mj-column></mj-section>",
    "<mj-section><mj-column><mj-text>«if»<p>a</p>«else»<p>«field»</p>«endif»</mj-text></mj-column></mj-section>",
    "<mj-raw>«if»<p>«field»</p>«endif»<!-- «field» --></mj-raw>",
)


def body(inside, head=""):
    return f"<mjml>\n<mj-head>{head}</mj-head>\n<mj-body>\n{inside}\n</mj-body>\n</mjml>"


@settings(max_examples=60, deadline=None)
@given(source(SECTIONS, "\n"))
def test_every_mark_is_in_the_document_once(inside):
    assert marks_of(mjml.document(body(inside))) == marks_of(inside)


def test_no_font_is_fetched_that_nobody_named():
    html = mjml.document(
        body(SECTIONS[1].replace("«if»", "").replace("«endif»", "").replace("«field»", "Hi"))
    )
    assert "fonts.googleapis" not in html
    assert "https://fonts.example/x" in mjml.document(
        body(
            '<mj-section><mj-column><mj-text font-family="X">a</mj-text></mj-column></mj-section>',
            '<mj-font name="X" href="https://fonts.example/x" />',
        )
    )


def test_a_background_with_a_field_stands_wherever_mail_programs_look_for_it():
    html = mjml.document(body('<mj-section background-url="{{ url }}"></mj-section>'))
    assert html.count("{{ url }}") > 1


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        (
            "<mj-section>\n<mj-column>\n</mj-section>",
            "Line 6 of the MJML, column 1: </mj-section> closes nothing",
        ),
        ("<mj-sektion></mj-sektion>", "Line 4 of the MJML, column 1: MJML has no <mj-sektion>"),
        ("  <mj-include path='/etc/passwd' />", "Line 4 of the MJML, column 3: <mj-include> can't be used"),
        (
            "<mj-section a=b></mj-section>",
            "Line 4 of the MJML, column 1: A value of <mj-section> has no quotation",
        ),
        ("<mj-raw>3 < 4</mj-raw>", "Line 4 of the MJML, column 11: A < that starts no tag"),
        ("<mj-raw>\n<!-- a -- b --></mj-raw>", "Line 5 of the MJML, column 1: A comment contains --"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_column(inside, said):
    with pytest.raises(ComposeError) as error:
        mjml.document(body(inside))
    assert str(error.value).startswith(said)
    assert error.value.field == "html"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("<mjml>\n<mj-body>", "Line 2 of the MJML, column 1: <mj-body> is never closed"),
        ("<mjml></mjml>", "has an <mj-body>"),
        ("<html></html>", "has an <mj-body>"),
        ("hello", "has an <mj-body>"),
        (body("<p>{{ a</p>"), "line 4 of the HTML, column 4: {{ a"),
        (body("", "<mj-preview>{% if a %}x{% endif %}</mj-preview>"), "line 2 of the HTML.*at this place"),
    ],
)
def test_what_is_no_mjml_is_told_so(source, said):
    with pytest.raises(ComposeError, match=said):
        mjml.document(source)
