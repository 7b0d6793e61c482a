"""The busiest time of a length, beside what is usual."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from integrations import bursts

_START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
_SPAN = dt.timedelta(hours=5)
_TOLD = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 4)), max_size=30)


@given(_TOLD)
def test_the_busiest_time_is_no_less_than_any_and_is_one_of_them(
    told: list[tuple[int, int]],
) -> None:
    timed = [(_START + dt.timedelta(hours=hour), number) for hour, number in told]
    spans = [[n for hour, n in told if first <= hour < first + 5] for first in range(31)]
    assert bursts.most(timed, _SPAN) == max(map(sum, spans))
    named = [(time, str(number)) for time, number in timed]
    assert bursts.most_different(named, _SPAN) == max(len(set(one)) for one in spans)


def test_what_is_asked_goes_back_to_the_beginning_and_no_further_than_the_vendor() -> None:
    longest = dt.timedelta(days=10)
    late = bursts.asked({"hours": 6}, 48, longest)
    assert (late.now - late.since, late.span) == (dt.timedelta(hours=6), dt.timedelta(hours=6))
    since = (late.now - dt.timedelta(days=4)).isoformat()
    assert bursts.asked({"since": since}, 48, longest).since.isoformat() == since
    since = (late.now - dt.timedelta(days=40)).isoformat()
    far = bursts.asked({"since": since, "hours": True}, 48, longest)
    assert (far.now - far.since, far.span) == (longest, dt.timedelta(hours=48))
    # What is younger than the span is no reason to look at less.
    since = (late.now - dt.timedelta(hours=1)).isoformat()
    near = bursts.asked({"since": since}, 48, longest)
    assert near.now - near.since == dt.timedelta(hours=48)
