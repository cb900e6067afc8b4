"""``python -m mailing.installation``: print what begins every name of this installation in Redis.

Flower wants it, and so does a Redis that gives each user rights to some names.
"""

from __future__ import annotations

import sys

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from mailing.core import database_errors
from mailing.core.terminal import say
from mailing.redis.prefix import prefix
from mailing.settings import load_or_exit


def main() -> None:
    """Print the prefix, or exit with why it cannot be known."""
    url = load_or_exit().database_url
    try:
        say(prefix(url))
    except SQLAlchemyError as error:
        sys.exit(database_errors.sentence(error, make_url(url)))


if __name__ == "__main__":
    main()
