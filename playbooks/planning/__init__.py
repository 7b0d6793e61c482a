"""From facts to a plan: targets, what stands already, planning again, withdrawing, shadow."""
