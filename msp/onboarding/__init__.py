"""Bringing a client in: register, connect, consent, test, first inventory, rules, start."""
