"""Rows: emails per second over loopback, from Send to the last message at the sink."""

from __future__ import annotations

import os
import smtplib
import sys
import time
from typing import TYPE_CHECKING

from benchmarks import naive, sinks
from benchmarks.figures import RATE, Bar, Figure
from benchmarks.messages import DRAFT, FROM, address, compose, people
from benchmarks.processes import cpu_s, process
from benchmarks.site import send_all, store
from tests.support.marks import descendants
from tests.support.stack import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.site import Site

SEQUENTIAL, NAIVE, SOURCE, VOLLEY = "sequential smtplib", "naive Celery", "smtp-source", "Volley"
CPU = "ms/email"
MANY, FEW, STORED = 50_000, 2_000, 100_000
PROCESSES, CONNECTIONS = 2, 50
PATIENCE_S = 120.0


def sequential(site: Site) -> Iterator[Figure]:
    """Send one after the other, each over a new connection, and keep no account."""
    with site.folder() as folder, sinks.listening(port := free_port(), folder) as sink:
        begun = time.perf_counter()
        for number in range(FEW):
            with smtplib.SMTP("127.0.0.1", port, local_hostname="localhost", timeout=30) as server:
                server.sendmail(FROM, [address(number)], compose(f"User {number}", address(number)))
        took_s = time.perf_counter() - begun
        sinks.check(sink, FEW)
    yield Figure(SEQUENTIAL, FEW / took_s, RATE, f"{FEW:,}, {sink.name}", reference=True)


def naive_celery(site: Site) -> Iterator[Figure]:
    """Send by the naive Celery application, from the first ``delay`` on."""
    with site.stack() as stack, sinks.listening(stack.smtp_port, stack.folder) as sink:
        stack.start("redis")
        # A SQLite file of its own: Volley's is in WAL mode, which a newcomer's is not.
        url = stack.database_url if site.server else f"sqlite:///{stack.folder / 'naive.sqlite'}"
        env = {
            "PATH": os.environ["PATH"],
            naive.REDIS_URL: stack.settings.redis_url,
            naive.DATABASE_URL: url,
            naive.SMTP_PORT: str(stack.smtp_port),
        }
        naive.create_table(url)
        command = [sys.executable, "-m", "celery", "--app=benchmarks.naive", "worker"]
        log = stack.folder / "naive.log"
        with process([*command, f"--concurrency={PROCESSES}", "--loglevel=WARNING"], log, env) as worker:
            naive.app.conf.broker_url = stack.settings.redis_url
            wait_until(lambda: naive.app.control.ping(timeout=0.5), f"the worker starts\n{log.read_text()}")
            before_s = cpu_s(children := descendants(worker.pid))
            begun = time.perf_counter()
            for number in range(FEW):
                naive.send_email.delay(1, f"User {number}", address(number))
            sinks.wait_for(sink, FEW, PATIENCE_S)
            took_s = time.perf_counter() - begun
            cpu_ms = (cpu_s(children) - before_s) * 1000 / FEW
        sinks.check(sink, FEW)
        logged = naive.count(url)
        if logged != FEW:
            raise sinks.WrongCountError(f"The naive application logged {logged} of {FEW} emails.")
    how = f"{FEW:,}, {sink.name}, {site.database}, {PROCESSES} processes"
    yield Figure(NAIVE, FEW / took_s, RATE, how, reference=True)
    yield Figure("CPU of the naive workers", cpu_ms, CPU)


def volley(site: Site) -> Iterator[Figure]:
    """Send by Volley with everything on."""
    with (
        site.stack(workers=PROCESSES, connections=CONNECTIONS) as stack,
        sinks.listening(stack.smtp_port, stack.folder) as sink,
    ):
        stack.start("redis", "worker", "beat")
        sent = send_all(stack, sink, MANY, PATIENCE_S)
    how = f"{MANY:,}, {sink.name}, {site.database}, {PROCESSES} workers x {CONNECTIONS} connections"
    yield Figure(VOLLEY, sent.rate, RATE, how, Bar(25, of=NAIVE), also=Bar(0.4, of=SOURCE))
    yield Figure("CPU of the workers", sent.cpu_ms, CPU, bar=Bar(0.5, at_most=True))


def smtp_source(site: Site) -> Iterator[Figure]:
    """Send by Postfix's ``smtp-source``: one fixed text, written in C, no account of anything."""
    program = sinks.tool("smtp-source")
    if program is None:
        raise sinks.NotInstalledError("smtp-source is not installed; it comes with Postfix.")
    with site.folder() as folder, sinks.listening(port := free_port(), folder) as sink:
        size = len(compose("User 1", address(1)))
        parts = ["-d", "-s", "4", "-m", str(MANY), "-l", str(size), "-f", "bench@sender.example"]
        begun = time.perf_counter()
        with process([program, *parts, "-t", address(1), f"127.0.0.1:{port}"], folder / "source.out"):
            sinks.wait_for(sink, MANY, PATIENCE_S)
            took_s = time.perf_counter() - begun
        sinks.check(sink, MANY)
    yield Figure(SOURCE, MANY / took_s, RATE, f"{MANY:,}, {sink.name}, -d -s 4", reference=True)


def stored(site: Site) -> Iterator[Figure]:
    """Read a pasted list and commit it, in this process."""
    lines = people(STORED)
    with site.stack() as stack:
        begun = time.perf_counter()
        store(stack, DRAFT, lines)
        took_s = time.perf_counter() - begun
    how = f"{STORED:,} lines, read and committed, {site.database}"
    yield Figure("recipients stored", STORED / took_s, "recipients/s", how, Bar(30_000))
