"""Rows: what it costs to sign an email, in CPU time of one core and in emails per second over loopback."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import sinks
from benchmarks.figures import RATE, Bar, Figure
from benchmarks.filling import FIELDS, MESSAGE
from benchmarks.messages import FROM, address
from benchmarks.site import send_all
from benchmarks.speed import CONNECTIONS, PATIENCE_S, PROCESSES
from mailing.core.actors import Actor, ActorKind
from mailing.domains import keys, names
from mailing.domains.dkim import Algorithm, Key, Signer
from mailing.domains.tables import KeyState, dkim_keys
from mailing.messages import compose
from tasks.commands import dkim as commands

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.site import Site

EACH, ROUNDS, MANY, TURNS = 1_000, 5, 30_000, 5
UNIT = "ms/email"
UNSIGNED = "unsigned"
WORDS = {Algorithm.RSA: "RSA-2048", Algorithm.ED25519: "Ed25519"}
LEAST = {Algorithm.RSA: 0.5, Algorithm.ED25519: 0.9}  # of the speed without a signature


def signing(site: Site) -> Iterator[Figure]:
    """Sign a message of 10 KB with a body of its own; then send with and without a signature."""
    for algorithm, private in zip(Algorithm, keys.generate([*Algorithm]), strict=True):
        key = Key("bench", algorithm, private)
        bar = Bar(0.35, at_most=True) if algorithm is Algorithm.RSA else None
        yield Figure(f"signing by {WORDS[algorithm]}", _each_ms(key), UNIT, f"{EACH:,} bodies", bar)
    kinds = (None, *Algorithm)
    rates: dict[Algorithm | None, list[float]] = {kind: [] for kind in kinds}
    for n in range(TURNS):
        for place in range(len(kinds)):  # each is first in turn
            kind = kinds[(place + n) % len(kinds)]
            rates[kind].append(_rate(site, kind))
    who = f"{PROCESSES} workers x {CONNECTIONS} connections"
    how = f"{MANY:,}, the median of {TURNS} in turn, {site.database}, {who}"
    yield Figure(UNSIGNED, median(rates[None]), RATE, how, reference=True)
    for it in Algorithm:
        yield Figure(f"signed by {WORDS[it]}", median(rates[it]), RATE, how, Bar(LEAST[it], of=UNSIGNED))


def _each_ms(key: Key) -> float:
    """Return the CPU time of one email in the quickest of some rounds: others disturb the rest."""
    prepared = compose.prepare(MESSAGE, token="0123456789abcdef" * 2, domain=None)
    filled = [
        prepared.fill(number, address(number), f"User {number}", dict.fromkeys(FIELDS, f"{number}"), number)
        for number in range(EACH)
    ]
    signer, took = Signer(names.of(FROM), (key,)), []
    for _ in range(ROUNDS):
        begun = time.process_time_ns()
        for it in filled:
            signer.fields(it.head, it.tail, 1_790_000_000)
        took.append(time.process_time_ns() - begun)
    return min(took) / EACH / 1_000_000


def _rate(site: Site, algorithm: Algorithm | None) -> float:
    with (
        site.stack(workers=PROCESSES, connections=CONNECTIONS) as stack,
        sinks.listening(stack.smtp_port, stack.folder) as sink,
    ):
        if algorithm:
            cli, domain = Actor(ActorKind.CLI), names.of(FROM)
            commands.create(stack.backend, cli, domain, [algorithm], stack.settings.secret_key)
            with stack.db.write() as connection:
                connection.execute(dkim_keys.update().values(state=KeyState.ACTIVE))
        stack.start("redis", "worker", "beat")
        return send_all(stack, sink, MANY, PATIENCE_S).rate
