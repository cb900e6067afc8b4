"""``volley dkim``: the keys that sign, for somebody at the machine.

What a command does is loaded when it runs: --help needs no database, no queue and no web framework.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mailing.domains.keys import DkimKey
    from mailing.settings import Settings
    from tasks.commands.backend import Backend

_DOMAIN = click.argument("domain")


@click.group()
def dkim() -> None:
    """Manage DKIM keys, with which Volley signs."""


@dkim.command()
@_DOMAIN
@click.option("--only", type=click.Choice(("rsa", "ed25519")), help="One key. Default: one of each kind.")
def new(*, domain: str, only: str | None) -> None:
    """Create keys for DOMAIN, and print the DNS records to publish."""
    from mailing.domains.dkim import Algorithm  # noqa: PLC0415
    from tasks.commands import dkim as commands  # noqa: PLC0415
    from webapp.cli.opening import ACTOR  # noqa: PLC0415

    with _open(domain) as (backend, chosen, name):
        algorithms = [Algorithm(only)] if only else [*Algorithm]
        _publish(commands.create(backend, ACTOR, name, algorithms, chosen.secret_key))


@dkim.command()
@_DOMAIN
def rotate(*, domain: str) -> None:
    """Create successors for the keys of DOMAIN. The old keys sign until the new records are in DNS."""
    from tasks.commands import dkim as commands  # noqa: PLC0415
    from webapp.cli.opening import ACTOR  # noqa: PLC0415

    with _open(domain) as (backend, chosen, name):
        _publish(commands.rotate(backend, ACTOR, name, chosen.secret_key))


@dkim.command("list")
def show_all() -> None:
    """List all keys."""
    from mailing.domains import keys  # noqa: PLC0415
    from webapp.cli.opening import chosen_settings, open_backend  # noqa: PLC0415

    with open_backend(chosen_settings()) as backend, backend.db.read() as connection:
        for it in keys.every(connection):
            click.echo(f"{it.domain}  {it.selector}  {it.algorithm}  {it.state}")


@dkim.command()
@_DOMAIN
def show(*, domain: str) -> None:
    """Print the DNS records of DOMAIN's keys, as in a zone file."""
    from mailing.domains import keys  # noqa: PLC0415

    with _open(domain) as (backend, _chosen, name), backend.db.read() as connection:
        found = [it for it in keys.of(connection, name) if it.needs_record]
        for it in found:
            click.echo(f"; {it.algorithm}, {it.state}\n{it.zone_line}")
        if not found:
            raise click.ClickException(f"{name} has no keys. To create some: volley dkim new {name}")


@dkim.command()
@_DOMAIN
def check(*, domain: str) -> None:
    """Look for the DNS records of DOMAIN. The exit status is 1 if something has to be fixed."""
    from mailing.domains import keys, ways  # noqa: PLC0415
    from mailing.internet.findings import Light  # noqa: PLC0415
    from tasks.commands import dkim as commands  # noqa: PLC0415

    with _open(domain) as (backend, chosen, name):
        found = commands.check(backend.db, name, chosen.secret_key, ours=ways.ours(chosen))
        for it in (*found.records.values(), *found.keys.values()):
            click.echo(f"{it.light}: {it.said}")
            if it.todo:
                click.echo(f"  {it.todo}")
        for record in (each for its in found.publish.values() for each in its):
            click.echo(f"{record.why}\n  {record.zone_line}")
        with backend.db.read() as connection:
            for key in keys.of(connection, name):
                click.echo(f"{key.selector}: {key.state}")
    if found.light is Light.RED:
        raise SystemExit(1)


@dkim.command()
@_DOMAIN
@click.argument("selector")
def retire(*, domain: str, selector: str) -> None:
    """Stop signing with the key SELECTOR of DOMAIN."""
    from tasks.commands import dkim as commands  # noqa: PLC0415
    from webapp.cli.opening import ACTOR  # noqa: PLC0415

    with _open(domain) as (backend, _chosen, name):
        commands.retire(backend, ACTOR, name, selector)
    click.echo(f"{selector} no longer signs.")


def _publish(made: Iterable[DkimKey]) -> None:
    domain = ""
    for it in made:
        click.echo(it.zone_line)
        domain = it.domain
    click.echo(f"Publish these records. To look for them: volley dkim check {domain}")


@contextmanager
def _open(domain: str) -> Iterator[tuple[Backend, Settings, str]]:
    from mailing.core.reasons import ReasonError  # noqa: PLC0415
    from mailing.domains import names  # noqa: PLC0415
    from webapp.cli.opening import chosen_settings, open_backend  # noqa: PLC0415

    chosen = chosen_settings()
    try:
        with open_backend(chosen) as backend:
            yield backend, chosen, names.read(domain)
    except ReasonError as refusal:
        raise click.ClickException(str(refusal)) from None
