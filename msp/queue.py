"""The broker that carries the hints: Dramatiq on the product's own PostgreSQL."""

from django.conf import settings
from dramatiq_postgres import PostgresBroker
from psycopg import conninfo


def _broker() -> PostgresBroker:
    database = settings.DATABASES["default"]
    url = conninfo.make_conninfo(
        dbname=database["NAME"],
        user=database["USER"],
        password=database["PASSWORD"],
        host=database["HOST"],
        port=database["PORT"] or None,
    )
    # Results are rows of ours; a dead worker's messages come back after `heartbeat_ttl` seconds,
    # and the scheduler re-sends due work well before that.
    return PostgresBroker(url=url, results=False, heartbeat_interval=5.0, heartbeat_ttl=20.0)


broker = _broker()
