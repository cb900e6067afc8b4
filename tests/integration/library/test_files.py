"""Files are kept once, belong to campaigns in their order, and go when nobody uses them."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, update

from mailing.campaigns import drafts
from mailing.campaigns import queries as campaigns
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.reasons import UnfitError
from mailing.library import files
from mailing.library.files import FILE_MAX, FILES_MAX, MOST, UNUSED_MS, FileRef
from mailing.library.tables import files as table
from tests.support.web import store

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def keep(db, name="a.txt", data=b"text", **more):
    with db.write() as connection:
        return files.keep(connection, name, data, **more)


def set_for(db, *refs, campaign_id=1):
    with db.write() as connection:
        return files.set_for(connection, campaign_id, refs)


def code(caught):
    return caught.value.reason.code


def test_the_same_content_is_stored_once_and_each_campaign_calls_it_as_it_likes(db):
    store(db, "ann@x.example")
    store(db, "ben@x.example")
    one, other = keep(db, "one.txt"), keep(db, "../../other.txt")
    assert one.id == other.id
    assert (other.name, other.type, other.size) == ("other.txt", "text/plain", 4)
    set_for(db, one, other)
    set_for(db, other, campaign_id=2)
    with db.read() as connection:
        assert connection.execute(select(func.count()).select_from(table)).scalar() == 1
        assert [file.name for file in files.of_campaign(connection, 1)] == ["one.txt", "other.txt"]
        assert [file.data for file in files.of_campaign(connection, 2)] == [b"text"]


@pytest.mark.parametrize(
    ("name", "data", "image", "reason"),
    [
        ("a.txt", b"", False, "file.empty"),
        ("a.bin", bytes(FILE_MAX + 1), False, "file.too-large"),
        ("a.svg", b"<svg onload='alert(1)'/>", False, "file.svg"),
        ("a.png", b"<svg onload='alert(1)'/>", True, "file.svg"),
        ("a.png", b"<!doctype html><script>", True, "file.no-image"),
        ("a.png", b"<!doctype html><script>", False, "file.not-as-named"),
        ("a.pdf", PNG, False, "file.not-as-named"),
        ("a.pdf", b"%PDF-1.7", True, "file.no-image"),
    ],
)
def test_what_cannot_go_with_a_message_is_refused_with_the_reason(db, name, data, image, reason):
    with pytest.raises(UnfitError) as caught:
        keep(db, name, data, image=image)
    assert code(caught) == reason
    assert name in str(caught.value)


def test_images_are_named_by_ids_that_differ_and_stay(db):
    store(db, "ann@x.example")
    held = set_for(
        db, keep(db, "Ảnh.png", PNG), keep(db, "anh.png", PNG + b"2"), keep(db, "Ảnh.png", PNG + b"3")
    )
    assert [ref.cid for ref in held] == ["Anh.png", "anh-2.png", "Anh-3.png"]
    assert set_for(db, held[2], keep(db)) == (held[2], keep(db))
    with db.read() as connection:
        assert [ref.cid for ref in files.listed(connection, 1)] == ["Anh-3.png", ""]


def test_a_message_has_so_many_files_and_no_more(db):
    store(db, "ann@x.example")
    held = set_for(db, *(keep(db, f"{n}.txt") for n in range(MOST)))
    with pytest.raises(UnfitError) as caught:
        set_for(db, *held, keep(db, "one more.txt"))
    assert code(caught) == "file.too-many"
    large = [keep(db, f"{n}.bin", bytes([0, n]) + bytes(FILES_MAX // 3)) for n in range(3)]
    with pytest.raises(UnfitError) as caught:
        set_for(db, *large)
    assert code(caught) == "file.too-much"
    with pytest.raises(UnfitError) as caught:
        set_for(db, FileRef(999, "text/plain", 1, "x"))
    assert code(caught) == "file.gone"
    with db.read() as connection:
        assert files.listed(connection, 1) == held


def test_a_file_that_nobody_uses_is_removed_after_a_day_unless_somebody_brings_it_again(db):
    store(db, "ann@x.example")
    used, unused, again = (
        keep(db, "u.txt", b"used"),
        keep(db, "n.txt", b"unused"),
        keep(db, "g.txt", b"again"),
    )
    set_for(db, used)
    with db.write() as connection:
        assert files.remove_unused(connection, 10) == 0
        connection.execute(update(table).values(created_at=table.c.created_at - UNUSED_MS - 1))
    assert keep(db, "g.txt", b"again") == again
    with db.write() as connection:
        assert files.remove_unused(connection, 10) == 1
        assert files.get(connection, used.id).data == b"used"
        assert files.get(connection, unused.id) is None
        assert files.remove_unused(connection, 10) == 0


def test_only_a_draft_gets_other_files_and_what_was_seen_before_is_no_longer_sent(db):
    store(db, "ann@x.example")
    ref = keep(db)
    with db.write() as connection:
        drafts.refile(connection, 1, [ref], seen=0)
    with db.read() as connection:
        campaign = campaigns.get(connection, 1)
        assert campaign.revision == 1
        assert [file.name for file in campaigns.whole_message(connection, campaign).files] == ["a.txt"]
        assert drafts.faults(connection, 1) == ()
    with pytest.raises(NotAllowed), db.write() as connection:
        drafts.refile(connection, 1, [], seen=0)
    store(db, "ben@x.example", send=True)
    with pytest.raises(NotAllowed), db.write() as connection:
        drafts.refile(connection, 2, [ref])
