"""Files of a draft: brought, shown, taken away, and served to those who may read and as nothing else."""

from __future__ import annotations

import re

import pytest

from mailing.accounts.roles import Role
from mailing.campaigns import queries as campaigns
from mailing.campaigns.drafts import Draft
from mailing.library import files
from mailing.library.files import FILE_MAX
from tests.support.web import HOST, Untouched, running, settings_for, store

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(40))
HTML = Draft("Ann <ann@example.org>", "Hi", "Hi", '<p>Hi</p><img src="cid:Anh-bia.png" alt="">')


@pytest.fixture
async def visitor(tmp_path, db, database_url):
    store(db, "ann@x.example", HTML)
    async with running(settings_for(tmp_path, database_url)) as visitor:
        yield visitor


async def bring(visitor, name, data, campaign_id=1, **headers):
    """Send the form of a file as a browser does."""
    text = await visitor.read(f"/campaigns/{campaign_id}")
    token = re.search(r'name="csrf_token" value="([^"]+)"', text)[1]
    boundary = "b0und"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{token}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    return await visitor.client.post(
        f"/campaigns/{campaign_id}/files",
        data=body + data + f"\r\n--{boundary}--\r\n".encode(),
        headers={"Host": HOST, "Content-Type": f"multipart/form-data; boundary={boundary}", **headers},
    )


async def text_of(response):
    return (await response.get_data()).decode()


def held(db, campaign_id=1):
    with db.read() as connection:
        return files.listed(connection, campaign_id)


async def test_a_file_is_added_shown_with_its_size_and_taken_away_again(visitor, db):
    answer = await bring(visitor, "../../Báo cáo.pdf", b"%PDF-1.7" + bytes(1492))
    assert (answer.status_code, answer.location) == (303, "/campaigns/1#files")
    page = await visitor.read("/campaigns/1")
    assert "Báo cáo.pdf added." in page
    assert "1.5\N{NO-BREAK SPACE}KB" in page
    assert "attached" in page
    with db.read() as connection:
        assert campaigns.get(connection, 1).revision == 1
    [file] = held(db)
    answer = await visitor.post("/campaigns/1/files/remove", {"file": str(file.id), "name": file.name})
    assert answer.status_code == 303
    assert held(db) == ()
    assert "Báo cáo.pdf removed." in await visitor.read("/campaigns/1")


async def test_an_image_is_shown_with_the_tag_that_puts_it_into_the_html_and_in_the_preview(visitor, db):
    await bring(visitor, "Ảnh bìa.png", PNG)
    page = await visitor.read("/campaigns/1")
    assert "&lt;img src=&#34;cid:Anh-bia.png&#34;" in page or '&lt;img src="cid:Anh-bia.png"' in page
    assert "in the HTML" in page
    person = re.search(r"/campaigns/1/recipients/(\d+)/html", page)[1]
    shown = await text_of(await visitor.get(f"/campaigns/1/recipients/{person}/html"))
    assert 'src="data:image/png;base64,' in shown
    answer = await visitor.get(f"/files/{held(db)[0].id}")
    assert await answer.get_data() == PNG
    assert answer.content_type == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; sandbox")


async def test_what_is_no_image_is_only_ever_saved(visitor, db):
    await bring(visitor, "page.html", b"<!doctype html><script>alert(1)</script>")
    answer = await visitor.get(f"/files/{held(db)[0].id}")
    assert answer.content_type == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert (await visitor.get("/files/99")).status_code == 404


@pytest.mark.parametrize(
    ("name", "data", "refused"),
    [
        ("x.svg", b"<svg onload='alert(1)'/>", (422, "SVG")),
        ("x.png", b"<!doctype html>", (422, "isn&#39;t what its name says")),
        ("x.txt", b"", (422, "is empty")),
        ("x.bin", bytes(FILE_MAX + 1), (413, "at most")),
        ("", b"x", (422, "Choose a file")),
    ],
)
async def test_what_cannot_go_with_a_message_is_refused_with_a_sentence(visitor, db, name, data, refused):
    answer = await bring(visitor, name, data)
    assert answer.status_code == refused[0]
    assert refused[1] in (await text_of(answer)).replace("'", "&#39;")
    assert held(db) == ()


async def test_a_body_that_says_it_is_too_long_is_refused_by_that_alone(visitor, monkeypatch):
    await visitor.read("/campaigns/1")
    monkeypatch.setattr(visitor.app.request_class, "body_class", Untouched)
    answer = await visitor.client.post(
        "/campaigns/1/files",
        data=b"x",
        headers={
            "Host": HOST,
            "Content-Type": "multipart/form-data; boundary=b",
            "Content-Length": "2000000000",
        },
    )
    assert answer.status_code == 413
    assert "10 MB" in await text_of(answer)


async def test_a_form_without_its_token_or_after_the_campaign_was_sent_changes_nothing(visitor, db):
    headers = {"Host": HOST, "Content-Type": "multipart/form-data; boundary=b"}
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhi\r\n--b--\r\n'
    assert (await visitor.client.post("/campaigns/1/files", data=body, headers=headers)).status_code == 403
    await bring(visitor, "a.txt", b"text")
    page = await visitor.read("/campaigns/1")
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    await visitor.post("/campaigns/1/send")
    sent = (
        b'--b\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n' + token.encode() + b"\r\n" + body
    )
    late = await visitor.client.post("/campaigns/1/files", data=sent, headers=headers)
    assert late.status_code == 409
    form = {"file": str(held(db)[0].id), "name": "a.txt"}
    assert (await visitor.post("/campaigns/1/files/remove", form)).status_code == 409
    assert len(held(db)) == 1
    for path in ("/campaigns/1/files", "/campaigns/1/message"):
        page = await visitor.read(path)
        assert "a.txt" in page
        assert "Upload" not in page


async def test_a_copy_has_the_files_of_its_original(visitor, db):
    await bring(visitor, "a.txt", b"text")
    await visitor.read("/campaigns/1")
    answer = await visitor.post("/campaigns/1/copy", {"list": "all"})
    assert answer.status_code == 303
    assert held(db, 2) == held(db)


async def test_who_may_only_read_sees_files_and_changes_none(db, tmp_path, database_url):
    store(db, "ann@x.example", HTML)
    with db.write() as connection:
        ref = files.keep(connection, "a.png", PNG)
        files.set_for(connection, 1, [ref])
    chosen = settings_for(tmp_path, database_url, VOLLEY_URL="https://mail.example.org")
    async with running(chosen, None) as nobody:
        headers = {"Host": "mail.example.org"}
        answer = await nobody.get(f"/files/{ref.id}", headers=headers)
        assert answer.status_code in {303, 401, 503}
    async with running(settings_for(tmp_path, database_url)) as reader:
        reader.enter(Role.VIEWER)
        page = await reader.read("/campaigns/1/files")
        assert "a.png" in page
        assert "Upload" not in page
        assert (await reader.get(f"/files/{ref.id}")).status_code == 200
        assert (await bring(reader, "b.txt", b"b")).status_code == 403
