"""Whom or what a step acts on: accounts, devices, mailboxes, and how many it touches."""
