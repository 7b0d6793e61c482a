"""What a case is made of: its alerts and devices, its risk, what it needs of a person."""
