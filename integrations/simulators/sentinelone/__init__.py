"""A stateful stand-in for SentinelOne over HTTP: run it with python -m and --port."""
