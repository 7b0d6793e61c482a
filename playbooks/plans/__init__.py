"""Plans and their steps as they stand: what holds, what gives way, what lacks proof."""
