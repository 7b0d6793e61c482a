"""A stateful stand-in for Microsoft Sentinel over HTTP: run it with python -m and --port."""
