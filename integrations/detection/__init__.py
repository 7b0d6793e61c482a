"""Sigma rules on vendors' records: loading, compiling, and running them.

`loading` reads rules, `compiling` makes closures of them, `fields` knows in which shapes records
come, `engine` runs the one on the other. Nothing here reads the database or the network.
"""
