"""The baseline: bulk mail as the usual Celery tutorial does it, one task for each email.

Every task opens an SMTP connection, sends, inserts one row into a log and commits, and publishes an
event. It runs in a prefork worker. Kept as quick as that design is: templates are compiled once, the
database and Redis connections live on, no task results, no lookup of this host's name.
"""

from __future__ import annotations

import functools
import json
import os
import smtplib
import time

import redis
from celery import Celery
from sqlalchemy import Engine, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from benchmarks.messages import FROM, compose

REDIS_URL, DATABASE_URL, SMTP_PORT = "NAIVE_REDIS_URL", "NAIVE_DATABASE_URL", "NAIVE_SMTP_PORT"

app = Celery("naive", broker=os.environ.get(REDIS_URL))
app.conf.update(task_ignore_result=True)


class Base(DeclarativeBase):
    pass


class EmailLog(Base):
    __tablename__ = "naive_email_log"

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int]
    email: Mapped[str]
    status: Mapped[str]
    sent_at: Mapped[float]


@functools.cache  # made after the fork, in each child
def _database() -> Engine:
    return create_engine(os.environ[DATABASE_URL])


@functools.cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(os.environ[REDIS_URL])


@app.task
def send_email(campaign_id: int, name: str, email: str) -> None:
    port = int(os.environ[SMTP_PORT])
    with smtplib.SMTP("127.0.0.1", port, local_hostname="localhost", timeout=30) as server:
        server.sendmail(FROM, [email], compose(name, email))
    with Session(_database()) as session:
        session.add(EmailLog(campaign_id=campaign_id, email=email, status="sent", sent_at=time.time()))
        session.commit()
    event = {"campaign": campaign_id, "email": email, "status": "sent"}
    _redis().publish(f"campaign:{campaign_id}", json.dumps(event))


def create_table(url: str) -> None:
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()


def count(url: str) -> int:
    """Return how many emails are in the log."""
    engine = create_engine(url)
    with Session(engine) as session:
        found = session.scalar(select(func.count()).select_from(EmailLog)) or 0
    engine.dispose()
    return found
