"""The measure of the door and of batches takes everything in, once."""

import json

import pytest

from bench import doors


@pytest.mark.usefixtures("committed_database")
def test_what_is_measured_is_stored_once(capsys) -> None:
    assert doors.main(["--rounds", "1", "--posts", "6", "--batch", "20"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["lost_or_twice"] == 0
    for name in ("post", "batch_of_events", "batch_of_alerts"):
        assert told[name]["ratio"] > 0
