"""Settings are read strictly: what is wrong is said at once, with the variable's name and what to do."""

import re
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from mailing.setting_table import SETTINGS
from mailing.settings import load
from mailing.smtp.account import Sender
from tests.support import certificates
from tests.support.configured import SECRET, faults, loaded
from tests.support.processes import run


def test_without_any_setting_everything_is_on_this_machine(checkout):
    found = load({})
    assert make_url(found.database_url).database == str(checkout / "instance/volley.sqlite")
    password = (checkout / "instance/redis_password").read_text()
    assert len(password) >= 32
    assert found.redis_url == f"redis://:{password}@127.0.0.1:6380/0"
    assert found.sender == Sender("127.0.0.1", 1025)
    assert (found.host, found.port, found.loopback) == ("127.0.0.1", 5000, True)
    assert found.default_from == "Volley <volley@localhost>"
    assert found.workers >= 1
    assert found.log == "text"
    assert found.instance == checkout / "instance"


def test_each_setting_is_taken_over(tmp_path):
    found = loaded(
        tmp_path,
        VOLLEY_DATABASE_URL="postgresql://ann:p%40ss@db/volley",
        VOLLEY_REDIS_URL="rediss://:word@redis:6379/3",
        VOLLEY_SMTP_URL="smtps://ann:p%40ss@mail.x.example",
        VOLLEY_FROM='"Lee, Ann" <ann@x.example>',
        VOLLEY_BIND="0.0.0.0:80",
        VOLLEY_WORKERS="7",
        VOLLEY_CONNECTIONS="8",
        VOLLEY_SECRET_KEY=SECRET,
        VOLLEY_LOG="json",
    )
    url = make_url(found.database_url)
    assert (url.drivername, url.password) == ("postgresql+psycopg", "p@ss")
    assert found.redis_url == "rediss://:word@redis:6379/3"
    assert found.sender == Sender("mail.x.example", 465, "tls", "ann", "p@ss", 8)
    assert found.default_from == '"Lee, Ann" <ann@x.example>'
    assert (found.host, found.port, found.loopback) == ("0.0.0.0", 80, False)
    assert (found.workers, found.secret_key, found.log) == (7, SECRET, "json")


def test_all_faults_are_reported_at_once_each_with_its_variable(tmp_path):
    wrong = {
        "VOLLEY_DATABASE_URL": "mysql://db",
        "VOLLEY_REDIS_URL": "http://redis",
        "VOLLEY_SMTP_URL": "mail.x.example",
        "VOLLEY_FROM": "Ann",
        "VOLLEY_BIND": "5000",
        "VOLLEY_WORKERS": "many",
        "VOLLEY_CONNECTIONS": "0",
        "VOLLEY_DIALOGUE_DAYS": "soon",
        "VOLLEY_SECRET_KEY": "short",
        "VOLLEY_LOG": "xml",
        "VOLLEY_COLOUR": "red",
    }
    found = faults(tmp_path, **wrong)
    assert sorted(fault.partition(":")[0] for fault in found) == sorted(wrong)
    assert all(fault.endswith(".") and not fault.endswith("..") for fault in found)
    assert not (tmp_path / "secret_key").exists()


@pytest.mark.parametrize(
    "scheme",
    ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+asyncpg", "postgres+psycopg", "pgsql"],
)
def test_a_url_of_postgresql_as_other_programs_write_it_is_taken(tmp_path, scheme):
    found = loaded(tmp_path, VOLLEY_DATABASE_URL=f"{scheme}://ann:p%40ss@db:5433/volley?sslmode=require")
    assert found.database_url == "postgresql+psycopg://ann:p%40ss@db:5433/volley?sslmode=require"


@pytest.mark.parametrize(
    ("option", "content", "words"),
    [
        ("ssl_ca_certs", None, "has an ssl_ca_certs that cannot be read: No such file"),
        ("ssl_ca_certs", "no certificate", "has an ssl_ca_certs without a matching PEM"),
        ("ssl_certfile", None, "has an ssl_certfile that cannot be read: No such file"),
        ("ssl_certfile", "no certificate", "has an ssl_certfile without a matching PEM"),
        ("ssl_ca_path", None, "has an ssl_ca_path that cannot be read: No such file"),
    ],
)
def test_a_file_of_tls_that_cannot_be_used_is_told_before_anything_starts(tmp_path, option, content, words):
    file = tmp_path / "file.pem"
    if content is not None:
        file.write_text(content)
    (fault,) = faults(tmp_path, VOLLEY_REDIS_URL=f"rediss://:secret@redis?{option}={file}")
    assert words in fault
    assert "secret" not in fault


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DATABASE_URL", "volley.sqlite", "such as postgresql://"),
        ("DATABASE_URL", "mysql+pymysql://db/volley", "use sqlite:/// or postgresql://"),
        ("DATABASE_URL", "postgresql+odbc://db/volley", "use sqlite:/// or postgresql://"),
        ("DATABASE_URL", "postgresql://db:port/volley", "such as postgresql://"),
        ("DATABASE_URL", "postgresql://db:65536/volley", "1 to 65535"),
        ("DATABASE_URL", "sqlite://", "has no file"),
        ("DATABASE_URL", "sqlite:///:memory:", "has no file"),
        ("REDIS_URL", "redis://", "must look like redis://"),
        ("REDIS_URL", "redis://redis:port", "must look like redis://"),
        ("REDIS_URL", "redis://redis:0", "must look like redis://"),
        ("REDIS_URL", "redis://redis:6379/volley", "must look like redis://"),
        ("REDIS_URL", "redis://[::1", "must look like redis://"),
        ("SMTP_URL", "smtp://h:0", "1 to 65535"),
        ("FROM", "Ann", "one sender address"),
        ("FROM", "ann@x.example, ben@x.example", "one sender address"),
        ("FROM", "Lee, Ann <ann@x.example>", "Quote a name with a comma"),
        ("FROM", "ann@x.example\r\nBcc: ben@x.example", "one sender address"),
        ("BIND", "127.0.0.1", "must be host:port"),
        ("BIND", ":5000", "must be host:port"),
        ("BIND", "127.0.0.1:0", "must be host:port"),
        ("BIND", "127.0.0.1:65536", "must be host:port"),
        ("BIND", "127.0.0.1:" + "9" * 5000, "must be host:port"),
        ("BIND", "a host:5000", "must be host:port"),
        ("WORKERS", "0", "from 1 to 256"),
        ("DIALOGUE_DAYS", "-1", "from 0 to 3650"),
        ("BOUNCE_BIND", "2525", "must be host:port"),
        ("BOUNCE_DOMAIN", "b@x.example", "must be a domain"),
        ("BOUNCE_DOMAIN", "bounces example", "must be a domain"),
        ("DIALOGUE_DAYS", "3651", "from 0 to 3650"),
        ("WORKERS", "257", "from 1 to 256"),
        ("WORKERS", "-1", "from 1 to 256"),
        ("WORKERS", "1.5", "from 1 to 256"),
        ("WORKERS", "²", "from 1 to 256"),
        ("WORKERS", "9" * 5000, "from 1 to 256"),
        ("CONNECTIONS", "1001", "from 1 to 1000"),
        ("SECRET_KEY", "s" * 31, "openssl rand -hex 32"),
        ("LOG", "JSON", "text or json"),
    ],
)
def test_a_fault_says_what_is_wrong_and_what_to_write(tmp_path, name, value, words):
    (fault,) = faults(tmp_path, **{f"VOLLEY_{name}": value})
    assert fault.startswith(f"VOLLEY_{name}: ")
    assert words in fault


@pytest.fixture(scope="module")
def pems(tmp_path_factory) -> dict[str, str]:
    """Certificates and keys by their names, and files that are none."""
    folder = tmp_path_factory.mktemp("tls")
    for stem, protect in (("ours", "-nodes"), ("other", "-nodes"), ("locked", "-passout pass:word")):
        certificates.pair(folder, "DNS:localhost", stem, protect)
    (folder / "text.pem").write_text("no certificate")
    return {"": "", "none.pem": str(folder / "none.pem")} | {it.name: str(it) for it in folder.iterdir()}


def test_with_a_certificate_of_its_own_the_address_is_one_of_https(tmp_path, pems):
    names = {"VOLLEY_TLS_CERTIFICATE": pems["ours.pem"], "VOLLEY_TLS_KEY": pems["ours.key"]}
    found = loaded(tmp_path, **names)
    assert found.certificate == (Path(pems["ours.pem"]), Path(pems["ours.key"]))
    assert (found.site.origin, found.private) == ("https://127.0.0.1:5000", True)
    assert loaded(tmp_path, VOLLEY_BIND="192.0.2.7:443", **names).site.origin == "https://192.0.2.7"
    named = loaded(tmp_path, VOLLEY_URL="https://mail.example.com", **names)
    assert named.site.origin == "https://mail.example.com"


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        (("ours.pem", ""), "VOLLEY_TLS_KEY: must be set too, as VOLLEY_TLS_CERTIFICATE is."),
        (("", "ours.key"), "VOLLEY_TLS_CERTIFICATE: must be set too, as VOLLEY_TLS_KEY is."),
        (("none.pem", "ours.key"), "VOLLEY_TLS_CERTIFICATE: cannot read .*: No such file"),
        (("ours.pem", "none.pem"), "VOLLEY_TLS_KEY: cannot read .*: No such file"),
        (("ours.pem", "other.key"), "VOLLEY_TLS_CERTIFICATE: .*other.key is the key of another certificate"),
        (("text.pem", "ours.key"), "VOLLEY_TLS_CERTIFICATE: .* must be PEM files"),
        (("locked.pem", "locked.key"), "VOLLEY_TLS_CERTIFICATE: .* its key without a password"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_told_at_the_start(tmp_path, pems, files, fault):
    certificate, key = (pems[name] for name in files)
    (told,) = faults(tmp_path, VOLLEY_TLS_CERTIFICATE=certificate, VOLLEY_TLS_KEY=key)
    assert re.match(fault, told), told


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "SMTP_URL", "SECRET_KEY"])
@pytest.mark.parametrize("value", ["x://u:hush@h", "redis://u:hush℀@h", "postgresql://u:hush@h:x", "hush"])
def test_no_fault_quotes_a_secret(tmp_path, name, value):
    assert "hush" not in "".join(faults(tmp_path, **{f"VOLLEY_{name}": value}))


def test_the_record_shows_no_secret(tmp_path):
    shown = repr(
        loaded(
            tmp_path,
            VOLLEY_DATABASE_URL="postgresql://u:hush@h/d",
            VOLLEY_REDIS_URL="redis://:hush@h",
            VOLLEY_SMTP_URL="smtp://u:hush@h",
            VOLLEY_SECRET_KEY="hush" * 10,
        )
    )
    assert "hush" not in shown


@pytest.mark.parametrize("name", ["VOLLEY_PORT", "VOLLEY_PORT_FILE", "VOLLEY_", "VOLLEY_LOGS"])
def test_a_name_that_is_no_setting_is_a_fault(tmp_path, name):
    assert faults(tmp_path, **{name: "x"}) == (f"{name}: unknown setting; the README lists the settings.",)


def test_names_for_tests_and_of_other_programs_are_left_alone(tmp_path):
    loaded(tmp_path, VOLLEY_TEST_ANYTHING="x", VOLLEYBALL="x", PATH="/bin")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_an_empty_value_means_the_default(checkout, setting):
    found = load({setting.name: " "})
    assert found.port == 5000
    assert found.secret_key


@pytest.mark.parametrize(
    "module", ["mailing.migrate", "mailing.demo_inbox", "tasks.redis_server", "tasks.worker", "webapp.serve"]
)
def test_a_command_says_which_settings_cannot_be_used(module, tmp_path):
    wrong = {"VOLLEY_INSTANCE": str(tmp_path), "VOLLEY_WORKERS": "0", "VOLLEY_LOG": "xml"}
    ended = run([sys.executable, "-m", module], env=wrong, capture_output=True, text=True)
    assert ended.returncode == 1
    said = ended.stderr.splitlines()
    assert said[0] == "These settings are invalid:"
    assert [line.partition(":")[0] for line in said[1:]] == ["VOLLEY_WORKERS", "VOLLEY_LOG"]


@pytest.mark.parametrize(
    ("bind", "host", "loopback"),
    [
        ("127.0.0.1:5000", "127.0.0.1", True),
        ("127.0.0.2:5000", "127.0.0.2", True),
        ("[::1]:5000", "::1", True),
        ("LocalHost:5000", "LocalHost", True),
        ("0.0.0.0:5000", "0.0.0.0", False),
        ("[::]:5000", "::", False),
        ("192.0.2.1:5000", "192.0.2.1", False),
        ("volley.x.example:5000", "volley.x.example", False),
    ],
)
def test_the_server_knows_whether_others_can_reach_it(tmp_path, bind, host, loopback):
    found = loaded(tmp_path, VOLLEY_BIND=bind)
    assert (found.host, found.loopback) == (host, loopback)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12))
def test_any_password_survives_percent_encoding_in_every_url(tmp_path_factory, password):
    word = quote(password, safe="")
    found = loaded(
        tmp_path_factory.getbasetemp() / "instance",
        VOLLEY_DATABASE_URL=f"postgresql://ann:{word}@db/volley",
        VOLLEY_SMTP_URL=f"smtp://ann:{word}@mail",
        VOLLEY_SECRET_KEY=SECRET,
    )
    assert make_url(found.database_url).password == password
    assert found.sender.password == password


def test_dialogues_are_kept_for_a_month_or_as_long_as_is_said_or_not_at_all(tmp_path):
    assert loaded(tmp_path).dialogue_days == 30
    assert loaded(tmp_path, VOLLEY_DIALOGUE_DAYS="0").dialogue_days == 0
    assert loaded(tmp_path, VOLLEY_DIALOGUE_DAYS="365").dialogue_days == 365


def test_a_door_for_bounces_needs_their_domain(tmp_path):
    (fault,) = faults(tmp_path, VOLLEY_BOUNCE_BIND="127.0.0.1:2525")
    assert fault == "VOLLEY_BOUNCE_DOMAIN: must be set too, as VOLLEY_BOUNCE_BIND is."
    found = loaded(tmp_path, VOLLEY_BOUNCE_BIND="127.0.0.1:2525", VOLLEY_BOUNCE_DOMAIN="B.x.example")
    assert (found.bounce_bind, found.bounce_domain) == (("127.0.0.1", 2525), "b.x.example")
