"""Statements as text, with tuples of values: those that run for every few emails, or for each line of a list.

SQLAlchemy's expressions took more time for them than the database did. A value's place is marked ``?``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection, CursorResult


def run(connection: Connection, statement: str, values: tuple[object, ...]) -> CursorResult[Any]:
    """Run a statement."""
    return connection.exec_driver_sql(_marked(connection, statement), values)


def run_many(connection: Connection, statement: str, rows: list[tuple[object, ...]]) -> int:
    """Run the statement for each row; return how many rows it changed in all."""
    return connection.exec_driver_sql(_marked(connection, statement), rows).rowcount if rows else 0


def _marked(connection: Connection, statement: str) -> str:
    """Mark the values as the driver does: psycopg writes %s."""
    return statement.replace("?", "%s") if connection.dialect.name == "postgresql" else statement
