"""What products for remote management have in common, whoever the vendor is.

A connector's client is a `Manager`; actions and questions about updates, scripts and restarts are
then the same for all of them.
"""
