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
from benchmarks.site import CONNECTIONS, act, check_ledger, store
from mailing.states import CampaignAction
from tests.harness import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.site import Site

SEQUENTIAL, NAIVE, VOLLEY = "sequential smtplib", "naive Celery", "Volley"
MANY, FEW = 20_000, 2_000
PROCESSES = 2
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
        with process([*command, f"--concurrency={PROCESSES}", "--loglevel=WARNING"], log, env):
            naive.app.conf.broker_url = stack.settings.redis_url
            wait_until(lambda: naive.app.control.ping(timeout=0.5), f"the worker starts\n{log.read_text()}")
            begun = time.perf_counter()
            for number in range(FEW):
                naive.send_email.delay(1, f"User {number}", address(number))
            sinks.wait_for(sink, FEW, PATIENCE_S)
            took_s = time.perf_counter() - begun
        sinks.check(sink, FEW)
        logged = naive.count(url)
        if logged != FEW:
            raise sinks.WrongCountError(f"The naive application logged {logged} of {FEW} emails.")
    how = f"{FEW:,}, {sink.name}, {site.database}, {PROCESSES} processes"
    yield Figure(NAIVE, FEW / took_s, RATE, how, reference=True)


def volley(site: Site) -> Iterator[Figure]:
    """Send by Volley with everything on."""
    with site.stack(workers=PROCESSES) as stack, sinks.listening(stack.smtp_port, stack.folder) as sink:
        stack.start("redis", "worker", "beat")
        campaign_id = store(stack, DRAFT, people(MANY))
        before_s = cpu_s(stack.worker_pids())
        begun = time.perf_counter()
        act(stack, campaign_id, CampaignAction.SEND)
        sinks.wait_for(sink, MANY, PATIENCE_S)
        took_s = time.perf_counter() - begun
        check_ledger(stack, sink, campaign_id, PATIENCE_S)
        cpu_ms = (cpu_s(stack.worker_pids()) - before_s) * 1000 / MANY
    how = f"{MANY:,}, {sink.name}, {site.database}, {PROCESSES} processes x {CONNECTIONS} connections"
    yield Figure(VOLLEY, MANY / took_s, RATE, how, Bar(10, of=NAIVE))
    yield Figure("CPU of its workers", cpu_ms, "ms/email", how)
