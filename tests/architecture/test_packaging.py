"""What starts Volley says one thing: Makefile, Procfile, Dockerfile, Compose, settings and lock files."""

from __future__ import annotations

import json
import re
import shlex
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from honcho.environ import parse_procfile
from jsonschema import Draft202012Validator
from sqlalchemy import make_url

from mailing import passwords, settings
from mailing.redis import url as redis_url
from mailing.setting_table import SETTINGS
from tasks import worker
from tests.support.processes import run

if TYPE_CHECKING:
    from pathlib import Path

ROOT = settings.ROOT
VOLLEY = ("web", "worker", "mailboxes", "bounces", "beat", "migrate")
DEFAULT = {
    "VOLLEY_DATABASE_URL": "sqlite:///instance/volley.sqlite",
    "VOLLEY_URL": "http://127.0.0.1:5000",
    "VOLLEY_HOSTS": "",
    "VOLLEY_BOUNCE_DOMAIN": "",
    "VOLLEY_BOUNCE_BIND": "",
    "VOLLEY_DNS": "",
    "VOLLEY_RELAY_ADDRESSES": "",
    "VOLLEY_DNSBL": "",
    "VOLLEY_RULEBOOK": "",
    "VOLLEY_TRUSTED_PROXIES": "",
    "VOLLEY_TLS_CERTIFICATE": "",
    "VOLLEY_TLS_KEY": "",
    "VOLLEY_JWT_ISSUER": "",
    "VOLLEY_JWT_AUDIENCE": "",
    "VOLLEY_WORKERS": "3",
    "VOLLEY_SECRET_KEY": "",
    **dict.fromkeys((f"VOLLEY_OIDC_{name}" for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "NAME")), ""),
    **dict.fromkeys(("VOLLEY_OIDC_ROLE_CLAIM", "VOLLEY_OIDC_DEFAULT_ROLE"), ""),
}
LOCKS = ("requirements.lock", "requirements-dev.lock")


def read(name: str) -> str:
    return (ROOT / name).read_text()


def compose() -> dict[str, Any]:
    return yaml.safe_load(read("docker-compose.yml"))


def procfile() -> dict[str, str]:
    return dict(line.split(": ", 1) for line in read("Procfile").splitlines() if not line.startswith("#"))


def commands() -> dict[str, list[str]]:
    """The Procfile's commands as words, without what the shell does before them."""
    return {name: shlex.split(line.partition("exec ")[2]) for name, line in procfile().items()}


def steps_of(target: str) -> list[str]:
    """What ``make target`` would run on a clean checkout, whether or not make runs this test."""
    done = run(["make", "--dry-run", "--always-make", target], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def locked(name: str) -> dict[str, list[str]]:
    """The requirements of a lock file, each with its hashes."""
    requirements = read(name).replace("\\\n", " ").splitlines()
    return {line.split()[0]: re.findall(r"--hash=(\S+)", line) for line in requirements if line.strip()}


def test_the_compose_file_follows_the_specification():
    schema = json.loads(read("tests/architecture/compose/compose-spec.json"))
    assert [fault.message for fault in Draft202012Validator(schema).iter_errors(compose())] == []


def test_the_schema_refuses_a_misspelt_key():
    """Or the test above would prove nothing."""
    schema = json.loads(read("tests/architecture/compose/compose-spec.json"))
    file = compose()
    file["services"]["web"]["restarts"] = "always"
    assert not Draft202012Validator(schema).is_valid(file)


def test_compose_has_every_part():
    others = {"passwords", "db", "redis", "inbox", "rehearsals", "flower", "https"}
    assert set(compose()["services"]) == {*VOLLEY, *others}


def test_flower_comes_only_when_it_is_asked_for_and_only_with_a_password():
    flower = compose()["services"]["flower"]
    assert flower["profiles"] == ["flower"]
    assert "FLOWER_BASIC_AUTH" in flower["environment"]
    assert [line.startswith("# flower: exec .venv/bin/python -m ") for line in read("Procfile").splitlines()][
        -1
    ]


def test_the_door_for_bounces_comes_only_when_it_is_asked_for():
    bounces = compose()["services"]["bounces"]
    assert bounces["profiles"] == ["bounces"]
    port = bounces["environment"]["VOLLEY_BOUNCE_BIND"].rpartition(":")[2]
    assert bounces["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_https_comes_only_when_it_is_asked_for_and_volley_believes_that_proxy_alone():
    services, networks = compose()["services"], compose()["networks"]
    proxy, web = services["https"], services["web"]["environment"]
    assert proxy["profiles"] == ["https"]
    address = web["VOLLEY_TRUSTED_PROXIES"]
    assert proxy["networks"]["proxied"]["ipv4_address"] == address
    assert ip_address(address) in ip_network(networks["proxied"]["ipam"]["config"][0]["subnet"])
    users = {name for name, service in services.items() if "proxied" in service.get("networks", ())}
    assert users == {"web", "https"}
    assert proxy["command"][proxy["command"].index("--from") + 1] == "${VOLLEY_URL:-https://localhost}"
    assert web["VOLLEY_URL"] == "${VOLLEY_URL:-}"


def test_what_is_commented_out_is_no_process_to_honcho():
    assert set(parse_procfile(read("Procfile")).processes) == set(procfile())


def test_compose_runs_what_the_procfile_and_the_makefile_run():
    for name, service in compose()["services"].items():
        if name == "migrate":
            assert service["command"][-1].split(" && ")[0] in steps_of("migrate")
        elif name in VOLLEY:
            assert service["command"][:3] == commands()[name][:3]  # honcho waits only 5 s at a stop
        elif name == "rehearsals":
            assert service["command"][:3] == commands()["inbox"]


def test_every_service_but_the_one_shot_comes_back_and_is_watched():
    """Beat answers nobody: it only sends, and ends where it cannot."""
    for name, service in compose()["services"].items():
        assert service["restart"] == ("no" if name in {"migrate", "passwords"} else "unless-stopped")
        assert ("healthcheck" in service) == (name not in {"migrate", "passwords", "mailboxes", "beat"})


def test_no_container_has_rights_or_writes_where_nothing_is_kept():
    for service in compose()["services"].values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["read_only"]
        assert {"mem_limit", "pids_limit", "logging"} <= set(service)


def test_a_worker_may_wait_for_the_last_reply_before_it_is_killed():
    (grace,) = (option.default for option in worker.main.params if option.name == "grace")
    assert int(compose()["services"]["worker"]["stop_grace_period"].removesuffix("s")) > grace


def test_every_process_waits_for_the_migration():
    for name in set(VOLLEY) - {"migrate"}:
        waits = compose()["services"][name]["depends_on"]
        assert waits["migrate"] == {"condition": "service_completed_successfully"}
        assert waits["redis"] == {"condition": "service_healthy"}


def test_ports_are_published_on_this_machine_only_but_for_https():
    ports = {name: service.get("ports", []) for name, service in compose()["services"].items()}
    assert ports.pop("https") == ["80:80", "443:443"]  # it is there to be reached, and only if asked for
    assert ports["web"]
    assert all(port.startswith("127.0.0.1:") for several in ports.values() for port in several)


def test_the_worker_can_be_scaled():
    service = compose()["services"]["worker"]
    assert not {"container_name", "ports", "hostname"} & set(service)
    assert service["environment"]["VOLLEY_WORKERS"] == 1


def test_data_lives_in_named_volumes():
    file = compose()
    mounted = {
        volume.split(":")[0] for service in file["services"].values() for volume in service.get("volumes", [])
    }
    assert mounted == set(file["volumes"])


def made(folder: Path, chosen: str = "") -> Path:
    """The volumes of the passwords as the service that makes them leaves them."""
    for name in ("db", "redis"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    passwords.make(folder, chosen)
    return folder


@pytest.mark.parametrize("name", VOLLEY)
def test_compose_passes_settings_that_can_be_read(name: str, tmp_path: Path):
    """With the defaults that the file itself names, as on a machine without ``.env``."""
    variables = compose()["services"][name]["environment"]
    plain = {key: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value)) for key, value in variables.items()}
    folder = str(made(tmp_path / "passwords"))
    plain = {key: value.replace("/passwords", folder) for key, value in plain.items()}
    found = settings.load(plain | {"VOLLEY_INSTANCE": str(tmp_path)})
    assert len(str(make_url(found.database_url).password)) >= 32
    assert len(redis_url.parse(found.redis_url).password) >= 32


def test_no_password_stands_in_the_compose_file_and_none_is_a_default():
    text = read("docker-compose.yml")
    assert not re.search(r"(?i)password[^\n:]*:\s*\$\{\w+:-\w", text)
    assert "volley:volley" not in text
    services = compose()["services"]
    assert services["db"]["environment"]["POSTGRES_PASSWORD_FILE"] == "/passwords/db/password"
    assert services["redis"]["command"][1] == "/passwords/redis/redis.conf"


def test_passwords_are_made_once_and_an_operator_s_own_is_taken(tmp_path: Path):
    files = {file: file.read_text() for file in made(tmp_path).rglob("*") if file.is_file()}
    assert {file.read_text() for file in made(tmp_path).rglob("*") if file.is_file()} == set(files.values())
    assert (tmp_path / "db" / "password").read_text() != (tmp_path / "redis" / "password").read_text()
    made(tmp_path, chosen="p@ss w/rd%1")
    assert (tmp_path / "db" / "password").read_text() == "p@ss w/rd%1"
    assert make_url((tmp_path / "db" / "url").read_text()).password == "p@ss w/rd%1"


def test_each_password_is_mounted_only_where_it_is_needed():
    mounts = {
        name: {volume.split(":")[0] for volume in service.get("volumes", []) if "-password:" in volume}
        for name, service in compose()["services"].items()
    }
    both = {"database-password", "redis-password"}
    assert mounts == {
        **dict.fromkeys(("web", "worker", "mailboxes", "bounces", "beat", "migrate", "passwords"), both),
        "db": {"database-password"},
        "redis": {"redis-password"},
        "flower": {"redis-password"},
        "inbox": set(),
        "rehearsals": set(),
        "https": set(),
    }


def test_who_reads_the_passwords_of_senders_has_the_key_by_which_they_were_sealed():
    """One container that made a key of its own could open none of them."""
    volume = "instance:/app/instance"
    keepers = {name: it for name, it in compose()["services"].items() if volume in it.get("volumes", ())}
    assert list(keepers) == ["web", "worker", "mailboxes"]
    assert all(keeper["tmpfs"] == ["/tmp"] for keeper in keepers.values())


def test_each_service_reaches_only_what_it_needs():
    file = compose()
    networks = {name: set(service.get("networks", [])) for name, service in file["services"].items()}
    assert networks == {
        "web": {"front", "proxied", "database", "queue", "rehearsal"},
        "https": {"outside", "proxied"},
        "worker": {"database", "queue", "mail", "rehearsal"},
        "mailboxes": {"database", "queue", "mail"},
        "bounces": {"front", "database", "queue"},
        "beat": {"database", "queue"},
        "migrate": {"database"},
        "passwords": set(),
        "db": {"database"},
        "redis": {"queue"},
        "inbox": {"mail"},
        "rehearsals": {"rehearsal"},
        "flower": {"front", "queue"},
    }
    assert file["services"]["passwords"]["network_mode"] == "none"
    closed = {name for name, network in file["networks"].items() if (network or {}).get("internal")}
    assert closed == {"database", "queue", "proxied", "rehearsal"}


def test_images_are_named_by_their_full_version():
    images = [service["image"] for service in compose()["services"].values() if service["image"] != "volley"]
    images += re.findall(r"^FROM (\S+)", read("Dockerfile"), re.MULTILINE)
    assert len(images) == 6
    for image in images:
        assert re.search(r":v?\d+\.\d+(\.\d+)?(-|$)", image), image


def test_the_procfile_names_the_processes():
    assert set(procfile()) == {"redis", "inbox", "web", "worker", "bounces", "mailboxes", "beat"}


@pytest.mark.parametrize("name", ["redis", "inbox", "web", "worker", "bounces", "mailboxes", "beat"])
def test_each_process_is_a_module_that_replaces_its_shell(name: str):
    python, option, module, *_ = commands()[name]
    assert (python, option) == (".venv/bin/python", "-m")
    path = ROOT / module.replace(".", "/")
    assert module == "celery" or path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def test_make_run_starts_three_workers_unless_told_otherwise():
    assert procfile()["worker"].startswith("VOLLEY_WORKERS=${VOLLEY_WORKERS:-3} exec ")


def test_the_example_environment_lists_every_setting_commented_out():
    lines = read(".env.example").splitlines()
    examples = dict(line[1:].split("=", 1) for line in lines if line.startswith("#VOLLEY_"))
    assert list(examples) == [setting.name for setting in SETTINGS]
    assert all(not line or line.startswith("#") for line in lines)
    for setting in SETTINGS:
        default = DEFAULT.get(setting.name, setting.default.strip("`"))
        assert examples[setting.name] == default, setting.name


def test_the_example_environment_can_be_used(tmp_path: Any):
    examples = re.findall(r"^#(VOLLEY_\w+)=(.*)$", read(".env.example"), re.MULTILINE)
    settings.load(dict(examples) | {"VOLLEY_INSTANCE": str(tmp_path)})


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_its_hashes_and_names_no_index(name: str):
    text = read(name)
    assert "://" not in text
    assert not re.search(r"^\s*-(-index|-extra-index|-find-links|i |f )", text, re.MULTILINE)
    packages = locked(name)
    assert packages
    for package, hashes in packages.items():
        assert "==" in package
        assert hashes, package
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes)


def test_both_locks_agree():
    """Or installing one after the other would change packages to and fro."""
    run, dev = (locked(name) for name in LOCKS)
    assert run.items() <= dev.items()


def test_every_dependency_of_the_project_is_locked():
    text = read("pyproject.toml").partition("dependencies = [")[2].partition("]\n\n")[0]
    names = {re.split(r"[\[<>=]", name)[0] for name in re.findall(r'^    "([^"]+)"', text, re.MULTILINE)}
    assert names <= {package.partition("==")[0] for package in locked("requirements.lock")}


def test_the_image_is_made_by_the_makefiles_own_steps():
    steps = [
        line.removeprefix("RUN ") for line in read("Dockerfile").splitlines() if line.startswith("RUN make")
    ]
    assert [step.split(" && ")[0] for step in steps] == ["make packages", "make install"]
    assert "pip" not in read("Dockerfile")
    installs = [step for step in steps_of("install") if " pip " in step]
    assert "--require-hashes -r requirements.lock" in installs[0]
    assert [step for step in steps_of("run") if " pip " in step] == installs


def test_the_image_runs_as_somebody_without_rights():
    users = re.findall(r"^USER (\S+)", read("Dockerfile"), re.MULTILINE)
    assert users[-1:] == ["volley"]


def test_the_image_holds_all_that_runs_and_no_secrets():
    kept = {line[1:] for line in read(".dockerignore").splitlines() if line.startswith("!")}
    assert read(".dockerignore").startswith("*\n")
    assert kept >= {"mailing", "tasks", "webapp", "templates", "static", "migrations", "Makefile"}
    assert all((ROOT / name).exists() for name in kept)
    assert not kept & {".env", ".git", "instance"}
