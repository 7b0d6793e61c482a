"""Asking people: the user, a manager or the client's contact, and who is away."""
