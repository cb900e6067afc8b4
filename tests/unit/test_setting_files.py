"""What settings are read from files, and the files that Volley keeps itself."""

import stat
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import make_url

from mailing import setting_values
from mailing.settings import ROOT, SettingsError, load
from tests.support.configured import SECRET, faults, loaded


class TestFiles:
    """``NAME_FILE`` names a file that holds the value of ``NAME``."""

    def test_gives_the_value_without_its_line_break(self, tmp_path):
        (tmp_path / "smtp").write_text("smtps://ann:word@mail.x.example\n")
        found = loaded(tmp_path, VOLLEY_SMTP_URL_FILE=str(tmp_path / "smtp"))
        assert found.sender.password == "word"

    def test_is_refused_beside_the_value(self, tmp_path):
        (tmp_path / "key").write_text(SECRET)
        found = faults(tmp_path, VOLLEY_SECRET_KEY=SECRET, VOLLEY_SECRET_KEY_FILE=str(tmp_path / "key"))
        assert found == (
            "VOLLEY_SECRET_KEY: set either VOLLEY_SECRET_KEY or VOLLEY_SECRET_KEY_FILE, not both.",
        )

    def test_its_value_is_checked_like_any_other(self, tmp_path):
        (tmp_path / "key").write_text("short")
        (fault,) = faults(tmp_path, VOLLEY_SECRET_KEY_FILE=str(tmp_path / "key"))
        assert "32 characters" in fault

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("none", "No such file"),
            ("folder", "Is a directory"),
            ("binary", "not UTF-8"),
            ("empty", "is empty"),
            ("a\0b", "cannot read"),
        ],
    )
    def test_that_cannot_be_read_is_a_fault_and_not_the_default(self, tmp_path, name, words):
        """Or mail would go to the demo inbox, because a secret was not mounted."""
        (tmp_path / "folder").mkdir()
        (tmp_path / "binary").write_bytes(b"\xff\xfe")
        (tmp_path / "empty").write_text("\n")
        (fault,) = faults(tmp_path, VOLLEY_SMTP_URL_FILE=str(tmp_path / name))
        assert fault.startswith("VOLLEY_SMTP_URL_FILE: ")
        assert words in fault


class TestDotenv:
    """``.env`` in the checkout stands in for the environment."""

    def test_is_read(self, checkout):
        (checkout / ".env").write_text("# mine\nVOLLEY_BIND=127.0.0.1:5001\nVOLLEY_LOG='json'\nOTHER=x\n")
        found = load()
        assert (found.port, found.log) == (5001, "json")

    def test_gives_way_to_the_environment(self, checkout, monkeypatch):
        (checkout / ".env").write_text("VOLLEY_BIND=127.0.0.1:5001\nVOLLEY_LOG=json\n")
        monkeypatch.setenv("VOLLEY_BIND", "127.0.0.1:5002")
        found = load()
        assert (found.port, found.log) == (5002, "json")

    def test_is_searched_for_unknown_names_too(self, checkout):
        (checkout / ".env").write_text("VOLLEY_PORT=1\n")
        with pytest.raises(SettingsError, match="VOLLEY_PORT: unknown setting"):
            load()

    def test_that_is_no_text_is_a_fault(self, checkout):
        (checkout / ".env").write_bytes(b"VOLLEY_LOG=\xff")
        with pytest.raises(SettingsError, match=r"\.env: cannot read .* not UTF-8"):
            load()

    def test_is_not_read_where_the_settings_are_given(self, checkout):
        (checkout / ".env").write_text("VOLLEY_LOG=json\n")
        assert load({}).log == "text"


class TestDatabaseFile:
    """SQLite's file is the same for each process, wherever it was started."""

    def test_is_found_from_the_checkout(self, tmp_path):
        found = loaded(tmp_path, VOLLEY_DATABASE_URL="sqlite:///instance/volley.sqlite")
        assert make_url(found.database_url).database == str(ROOT / "instance/volley.sqlite")

    def test_stays_where_an_absolute_path_puts_it(self, tmp_path):
        found = loaded(tmp_path, VOLLEY_DATABASE_URL=f"sqlite:///{tmp_path}/v.sqlite")
        assert make_url(found.database_url).database == f"{tmp_path}/v.sqlite"

    def test_is_in_the_instance_folder_whatever_that_is_called(self, tmp_path):
        folder = tmp_path / "a?b#c%20d é"
        assert make_url(loaded(folder).database_url).database == str(folder / "volley.sqlite")


class TestSecretKey:
    """Without a setting it is made once, and kept where nobody else can read it."""

    def test_is_made_once_with_mode_600(self, tmp_path):
        folder = tmp_path / "deep/instance"
        key = loaded(folder).secret_key
        assert len(key) == 64
        assert loaded(folder).secret_key == key
        assert {file.name for file in folder.iterdir()} == {"redis_password", "secret_key"}
        assert stat.S_IMODE((folder / "secret_key").stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    def test_is_not_made_where_one_is_set(self, tmp_path):
        assert loaded(tmp_path, VOLLEY_SECRET_KEY=SECRET).secret_key == SECRET
        assert not (tmp_path / "secret_key").exists()

    def test_is_one_when_eight_start_at_the_same_moment(self, tmp_path, monkeypatch):
        start, token_hex = Barrier(8), setting_values.secrets.token_hex

        def wait_and_make(size):
            start.wait(30)  # for all to have seen that there is no key
            return token_hex(size)

        monkeypatch.setattr(setting_values.secrets, "token_hex", wait_and_make)
        with ThreadPoolExecutor(8) as pool:
            keys = set(pool.map(lambda _: loaded(tmp_path).secret_key, range(8)))
        assert len(keys) == 1
        assert {file.name for file in tmp_path.iterdir()} == {"redis_password", "secret_key"}

    @pytest.mark.parametrize("content", ["", "\n", "cut off"])
    def test_that_is_damaged_is_a_fault(self, tmp_path, content):
        (tmp_path / "secret_key").write_text(content)
        (fault,) = faults(tmp_path)
        assert fault.startswith("VOLLEY_SECRET_KEY: ")
        assert "Delete it" in fault

    @pytest.mark.parametrize("folder", ["file", "file/below", "a\0b"])
    def test_has_no_place_in_a_folder_that_cannot_be_made(self, tmp_path, folder):
        (tmp_path / "file").write_text("x")
        (fault,) = faults(tmp_path / folder)
        assert fault.startswith("VOLLEY_INSTANCE: ")
        assert "writable folder" in fault
