"""A stand-in for a SIEM that answers queries with JSON: run it with python -m and --port."""
