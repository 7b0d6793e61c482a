"""How approvals are asked for: deadlines, links for the client's contacts, reminders."""
