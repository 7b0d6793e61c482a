"""A stateful stand-in for Microsoft 365 over HTTP: tokens, Graph v1.0, Exchange's admin endpoint.

    python -m integrations.simulators.microsoft365 --port 8765 --seed demo

It is used by the demo and by the tests, and is faithful to the vendor's published contract.
"""
