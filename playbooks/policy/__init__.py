"""What a tenant allows: the rules of engagement that are in force, and their versions."""
