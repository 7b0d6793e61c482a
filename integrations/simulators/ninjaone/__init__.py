"""A stateful stand-in for NinjaOne over HTTP: run it with python -m and --port."""
