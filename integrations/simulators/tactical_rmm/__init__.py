"""A stateful stand-in for Tactical RMM over HTTP: run it with python -m and --port."""
