"""How approvals are asked for: links for the client's contacts, and reminders."""
