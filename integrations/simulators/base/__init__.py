"""What the simulators of all vendors share: state, faults, log, control, tokens and the process.

A new vendor's simulator is a subclass of `rest.RestSimulator` with its routes and a seed, and a
`__main__` that calls `process.run`. See docs/connectors.md.
"""
