"""A stateful stand-in for CrowdStrike Falcon over HTTP: run it with python -m and --port."""
