"""A stateful stand-in for Google Workspace over HTTP: run it with python -m and --port."""
