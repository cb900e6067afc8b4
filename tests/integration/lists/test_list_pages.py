"""Saved lists as their pages show them: from a file to its columns, to the list, to one contact."""

from __future__ import annotations

import csv
import html
import io
import re
import unicodedata

import pytest
from sqlalchemy import update

from mailing.accounts.roles import Role
from mailing.contacts import contacts, imports, lists, notes
from mailing.contacts.contacts import Written
from mailing.contacts.notes import Note, NoteKind
from mailing.contacts.tables import ImportState, Standing
from mailing.contacts.tables import imports as import_table
from mailing.core.reasons import Reason
from mailing.settings import ROOT
from mailing.uploads import plans
from tests.support.web import HOST, running, settings_for

MEMBERS = ROOT / "tests/lists/members-windows1258.csv"
TABLE = b"Full name,E-mail,City\nAnn Lee,ann@one.example,Hue\nBob,bob@one.example,\n"


@pytest.fixture
async def visitor(tmp_path, db, database_url):
    async with running(settings_for(tmp_path, database_url)) as visitor:
        yield Reader(visitor)


def multipart(fields, name="", data=b""):
    """A form as a browser sends it, with a file at its end."""
    parts = [
        f'--b0und\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    head = f'--b0und\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return {
        "data": b"".join((*parts, head.encode(), data, b"\r\n--b0und--\r\n")),
        "headers": {"Host": HOST, "Content-Type": "multipart/form-data; boundary=b0und"},
    }


class Reader:
    """A visitor who sees a no-break space as any other."""

    def __init__(self, visitor):
        self.visitor = visitor

    def __getattr__(self, name):
        return getattr(self.visitor, name)

    async def read(self, path, status=200):
        return (await self.visitor.read(path, status)).replace("\N{NO-BREAK SPACE}", " ")


async def bring(visitor, data=TABLE, name="members.csv", **fields):
    """Bring a file; return the address of its columns."""
    await visitor.read("/lists/new")
    sent = multipart({"csrf_token": visitor.token} | fields, name, data)
    answer = await visitor.client.post("/lists/imports", **sent)
    assert answer.status_code == 303, await answer.get_data(as_text=True)
    return answer.headers["Location"]


def filled(page):
    """The values of the form that a page shows, as a browser would send them."""
    form = page[page.index('id="columns"') :]
    names = re.findall(r'<select name="([^"]+)".*?</select>', form, re.DOTALL)
    chosen = {
        name: found[1]
        for name in names
        if (found := re.search(rf'name="{name}".*?<option value="([^"]*)" selected', form, re.DOTALL))
    }
    typed = dict(re.findall(r'<input (?:type="hidden" )?name="([^"]+)"[^>]*? value="([^"]*)"', form))
    header = re.search(r'value="(yes|no)" data-look checked', form)
    typed = {name: html.unescape(value) for name, value in typed.items() if name != "csrf_token"}
    return chosen | typed | ({"header": header[1]} if header else {})


def make(db, name="Members", *, people=()):
    """Make a list with these contacts; return its id."""
    with db.write() as connection:
        list_id = lists.create(connection, name)
        for one in people:
            contacts.save(connection, list_id, one if isinstance(one, Written) else Written(one))
    return list_id


def finish(db, list_id, found=(), **counts):
    """Let a file have been imported into a list, with these notes; return the import's id."""
    plan = plans.Plan(format=plans.Format.CSV, columns=(plans.PlannedColumn("E", plans.Role.EMAIL),))
    with db.write() as connection:
        import_id = imports.begin(connection, "members.csv", 3, actor_of())
        imports.start(connection, import_id, plan, list_id)
        notes.store(connection, import_id, found, 0)
        done = update(import_table).where(import_table.c.id == import_id)
        connection.execute(done.values(state=ImportState.DONE, finished_at=1, **counts))
    return import_id


def actor_of():
    from mailing.core.actors import Actor, ActorKind  # noqa: PLC0415

    return Actor(ActorKind.PERSON, "ann@people.example")


async def test_an_empty_volley_says_how_to_begin_and_the_navigation_leads_there(visitor):
    page = await visitor.read("/")
    assert 'href="/lists">Lists</a>' in page
    assert "Import a list" in await visitor.read("/lists")


async def test_a_file_leads_to_its_columns_and_these_to_an_import(visitor, db):
    address = await bring(visitor)
    page = await visitor.read(address)
    assert "Ann Lee" in page
    form = filled(page)
    assert (form["role-0"], form["role-1"], form["role-2"]) == ("name", "email", "field")
    assert form["field-2"] == "City" or form["field-2"] == "city"
    answer = await visitor.post(address, form | {"do": "start", "name": "Spring", "field-2": "town"})
    assert answer.headers["Location"] == address
    assert "Waiting for a worker" in await visitor.read(address)
    with db.read() as connection:
        it = imports.latest(connection)[0]
        assert it.state is ImportState.WAITING
        assert plans.load(it.plan).fields == ("town",)
        assert lists.get(connection, it.list_id).name == "Spring"


async def test_the_sample_in_windows_1258_is_read_as_such_and_can_be_read_otherwise(visitor):
    address = await bring(visitor, MEMBERS.read_bytes(), MEMBERS.name)
    page = await visitor.read(address)
    assert "Trần Phúc" in unicodedata.normalize("NFC", page)
    form = filled(page)
    assert form["encoding"] == "cp1258"
    shown = await visitor.post(address, form | {"do": "look", "encoding": "cp1252"})
    page = (await shown.get_data()).decode()
    assert "Trần Phúc" not in unicodedata.normalize("NFC", page)
    assert filled(page)["encoding"] == "cp1252"


async def test_a_changed_reading_is_shown_again_before_it_counts(visitor, db):
    address = await bring(visitor)
    form = filled(await visitor.read(address))
    answer = await visitor.post(address, form | {"do": "start", "name": "A", "header": "no"})
    assert answer.status_code == 200
    page = (await answer.get_data()).decode()
    assert "Full name" in page[page.index("<tbody>") :]
    with db.read() as connection:
        assert imports.latest(connection)[0].state is ImportState.UPLOADED


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"role-1": "field"}, "Choose the column that holds the email addresses."),
        ({"role-0": "email"}, "Only one column can be the email address."),
        ({"name": ""}, "Give the list a name"),
    ],
)
async def test_what_does_not_fit_is_said_and_nothing_chosen_is_lost(visitor, changed, said):
    address = await bring(visitor)
    form = filled(await visitor.read(address))
    sent = form | {"do": "start", "name": "Spring", "encoding": "utf-8"} | changed
    answer = await visitor.post(address, sent)
    page = (await answer.get_data()).decode()
    assert answer.status_code == 422
    assert said in page
    assert filled(page)["name"] == sent["name"]


async def test_a_file_goes_into_the_list_that_asked_for_it(visitor, db):
    list_id = make(db)
    address = await bring(visitor, into=str(list_id))
    assert address.endswith(f"?into={list_id}")
    assert filled(await visitor.read(address))["list"] == str(list_id)


async def test_what_is_pasted_goes_the_same_way(visitor):
    await visitor.read("/lists/new")
    answer = await visitor.post("/lists/imports/pasted", {"text": "Họ tên\tEmail\nMai\tmai@one.example"})
    page = await visitor.read(answer.headers["Location"])
    assert "mai@one.example" in page
    assert filled(page)["role-1"] == "email"


@pytest.mark.parametrize("name", ["", "members.csv"])
async def test_no_file_and_an_empty_one_are_said_on_the_page_that_asked(visitor, name):
    await visitor.read("/lists/new")
    answer = await visitor.client.post("/lists/imports", **multipart({"csrf_token": visitor.token}, name))
    assert answer.status_code == 422
    assert "Choose a file." in (page := await answer.get_data(as_text=True)) or "The file is empty." in page


async def test_a_file_that_is_no_list_says_so_and_leads_on(visitor):
    address = await bring(visitor, b" \r\n\r\n", "members.csv")
    page = await visitor.read(address, 422)
    assert "Choose another file" in page


async def test_a_file_without_the_token_of_our_form_is_not_kept(visitor, db):
    await visitor.read("/lists/new")
    for fields in ({}, {"csrf_token": "00" * 64}):
        answer = await visitor.client.post("/lists/imports", **multipart(fields, "a.csv", b"a@b.example"))
        assert answer.status_code == 403
    with db.read() as connection:
        assert not imports.latest(connection)


async def test_a_file_can_be_discarded_and_a_started_import_canceled(visitor, db):
    address = await bring(visitor)
    await visitor.read(address)
    answer = await visitor.post(f"{address}/cancel")
    assert answer.headers["Location"] == "/lists"
    assert "The file was discarded." in await visitor.read("/lists")
    address = await bring(visitor)
    await visitor.post(address, filled(await visitor.read(address)) | {"do": "start", "name": "Spring"})
    assert "Cancel import" in await visitor.read(address)
    await visitor.post(f"{address}/cancel")
    assert "This import was canceled." in await visitor.read(address)


async def test_progress_is_asked_for_each_second_until_it_ends(visitor, db):
    address = await bring(visitor)
    await visitor.post(address, filled(await visitor.read(address)) | {"do": "start", "name": "Spring"})
    with db.write() as connection:
        connection.execute(update(import_table).values(state="reading", read=50, expected=200))
    page = await visitor.read(address)
    assert 'value="250" max="1000"' in page
    assert "50 of about 200 rows read" in page
    assert "every 1s" in page
    assert '<noscript><meta http-equiv="refresh"' in page
    part = await visitor.get(address, headers={"HX-Request": "true"})
    assert (await part.get_data()).startswith(b'<div id="import"')
    with db.write() as connection:
        connection.execute(update(import_table).values(state="done", finished_at=1))
    page = await visitor.read(address)
    assert "every 1s" not in page
    assert "Open the list" in page


async def test_the_result_tells_each_skipped_line_and_one_button_corrects_a_kind_of_typo(visitor, db):
    list_id = make(db, people=["ann@gmial.com", "bob@gmial.com", "cat@hotmial.com"])
    found = [
        *(
            Note(NoteKind.SUGGESTED, 2, wrong, Reason("import.meant", address=right), right)
            for wrong, right in (
                ("ann@gmial.com", "ann@gmail.com"),
                ("bob@gmial.com", "bob@gmail.com"),
                ("cat@hotmial.com", "cat@hotmail.com"),
            )
        ),
        Note(NoteKind.REFUSED, 9, "=1+1 no address", Reason("row.no-address")),
        Note(NoteKind.NOTED, 3, "info@one.example", Reason("import.role")),
        Note(NoteKind.DUPLICATE, 7, "Dan@one.example", Reason("import.repeated")),
    ]
    import_id = finish(db, list_id, found, accepted=3, refused=1, noted=4, duplicates=1)
    address = f"/lists/imports/{import_id}"
    page = await visitor.read(address)
    assert "Dan@one.example</td><td>in the file more than once" in page
    assert "=1+1 no address" in page
    assert "an address of a role or team" in page
    assert "Correct 2 addresses" in page
    file = (await (await visitor.get(f"{address}/skipped.csv")).get_data()).decode("utf-8-sig")
    assert [*csv.reader(io.StringIO(file))] == [
        ["Line", "Text", "Reason"],
        ["9", "'=1+1 no address", "Missing address in this row."],
    ]
    await visitor.post(f"{address}/correct", {"domain": "gmial.com", "meant": "gmail.com"})
    page = await visitor.read(address)
    assert "2 addresses corrected." in page
    assert "Correct 1 address" in page
    with db.read() as connection:
        emails = {it.email for it in contacts.find(connection, list_id).rows}
    assert emails == {"ann@gmail.com", "bob@gmail.com", "cat@hotmial.com"}


async def test_contacts_are_found_by_the_start_of_their_address_by_domain_and_by_standing(visitor, db):
    gone = Written("bob@two.example", standing=Standing.UNSUBSCRIBED)
    list_id = make(db, people=["ann@one.example", gone, "anton@two.example"])
    here = f"/lists/{list_id}"
    for query, found in (
        ("", {"ann", "bob", "anton"}),
        ("?q=ann@", {"ann"}),
        ("?q=an", {"ann", "anton"}),
        ("?q=@two.example", {"bob", "anton"}),
        ("?state=unsubscribed", {"bob"}),
    ):
        page = await visitor.read(here + query)
        assert {name for name in ("ann", "bob", "anton") if f"{name}<wbr>@" in page} == found, query
    assert "No matching contacts." in await visitor.read(f"{here}?q=zoe")
    assert "3 contacts" in await visitor.read(here)


async def test_a_long_list_has_pages(visitor, db):
    list_id = make(db, people=[f"p{n:03}@one.example" for n in range(120)])
    page = await visitor.read(f"/lists/{list_id}")
    seen = []
    while True:
        seen += re.findall(r"(p\d+)<wbr>", page)
        more = re.search(r'href="([^"]+)" rel="next"', page)
        if not more:
            break
        page = await visitor.read(more[1].replace("&amp;", "&"))
    assert seen == [f"p{n:03}" for n in range(120)]
    page = await visitor.read(re.search(r'href="([^"]+)" rel="prev"', page)[1].replace("&amp;", "&"))
    assert "p050" in page
    assert "p100" not in page


async def test_an_export_has_every_field_and_no_cell_is_run_as_a_formula(visitor, db):
    people = [
        Written("ann@one.example", "=cmd|'/c calc'!A0", {"city": "+84", "year": 3}),
        Written("bob@one.example", "Bob", {"note": "@sum\nx"}, Standing.BOUNCED),
    ]
    list_id = make(db, people=people)
    answer = await visitor.get(f"/lists/{list_id}.csv")
    assert answer.headers["Content-Disposition"].endswith('.csv"')
    rows = [*csv.reader(io.StringIO((await answer.get_data()).decode("utf-8-sig")))]
    assert rows == [
        ["email", "name", "status", "city", "year", "note"],
        ["ann@one.example", "'=cmd|'/c calc'!A0", "active", "'+84", "3", ""],
        ["bob@one.example", "Bob", "bounced", "", "", "'@sum\nx"],
    ]
    answer = await visitor.get(f"/lists/{list_id}.csv?state=bounced")
    assert (await answer.get_data()).count(b"@one.example") == 1


async def test_a_list_is_renamed_and_deleted_as_it_was_seen(visitor, db):
    list_id, _other = make(db, people=["ann@one.example"]), make(db, "Others")
    here = f"/lists/{list_id}"
    page = await visitor.read(here)
    assert "1 contact is deleted with it" in page
    assert (await visitor.post(f"{here}/rename", {"name": "others"})).status_code == 409
    await visitor.post(f"{here}/rename", {"name": " Friends "})
    assert "<h1>Friends</h1>" in await visitor.read(here)
    with db.write() as connection:
        contacts.save(connection, list_id, Written("new@one.example"))
    assert (await visitor.post(f"{here}/delete")).status_code == 409, "more than the page told"
    await visitor.read(here)
    assert (await visitor.post(f"{here}/delete")).status_code == 303
    assert "was deleted" in await visitor.read("/lists")
    await visitor.read(here, 404)


async def test_a_contact_is_changed_and_a_field_left_alone_keeps_its_kind(visitor, db):
    list_id = make(db, people=[Written("ann@one.example", "Ann", {"year": 3, "city": "Hue"})])
    with db.read() as connection:
        it = contacts.find(connection, list_id).rows[0]
    here = f"/lists/{list_id}/contacts/{it.id}"
    seen = re.search(r'name="seen" value="(\d+)"', await visitor.read(here))[1]
    form = {"seen": seen, "email": "ann@one.example", "name": "Ann Lee", "standing": "blocked"}
    form |= {"field-0": "3", "field-1": "Da Nang"}
    assert (await visitor.post(here, form)).status_code == 303
    page = await visitor.read(here)
    assert "Saved." in page
    with db.read() as connection:
        it = contacts.get(connection, it.id)
    assert (it.name, it.fields, it.standing) == ("Ann Lee", {"year": 3, "city": "Da Nang"}, Standing.BLOCKED)
    answer = await visitor.post(here, form | {"seen": str(it.changed_at - 1), "name": "Another"})
    assert answer.status_code == 422
    page = (await answer.get_data()).decode()
    assert "changed in the meantime" in page
    assert 'value="Another"' in page
    answer = await visitor.post(here, form | {"seen": str(it.changed_at), "email": "nonsense"})
    assert "email-fault" in (await answer.get_data()).decode()
    await visitor.post(f"{here}/remove")
    assert "Removed." in await visitor.read(f"/lists/{list_id}")
    await visitor.read(here, 404)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.WRITER])
async def test_viewers_see_and_change_nothing(tmp_path, db, database_url, role):
    list_id = make(db, people=["ann@one.example"])
    settings = settings_for(tmp_path, database_url, VOLLEY_BIND="0.0.0.0:5000", VOLLEY_HOSTS=HOST)
    async with running(settings, role) as visitor:
        for path in ("/lists", f"/lists/{list_id}", f"/lists/{list_id}/contacts/1"):
            page = await visitor.read(path)
            main = page[page.index("<main") :]
            assert not re.findall(r'<form method="post" action="/lists|Import contacts|Delete…', main), path
        assert (await visitor.get("/lists/new")).status_code == 403
        assert (await visitor.post(f"/lists/{list_id}/delete")).status_code == 403
