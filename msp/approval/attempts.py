"""How often an address may try links that don't count.

Links that count are always served, so nobody can lock a client out by failing on purpose.
"""

from django.core.cache import cache
from django.http import HttpRequest

MOST_FAILURES = 20
WINDOW_SECONDS = 600


def too_many(request: HttpRequest) -> bool:
    """Count one failed attempt of the request's address; return whether it had too many."""
    key = f"approve-failures:{request.META.get('REMOTE_ADDR', '')}"
    cache.add(key, 0, WINDOW_SECONDS)
    try:
        return cache.incr(key) > MOST_FAILURES
    except ValueError:
        # It ended between the two calls.
        return False
