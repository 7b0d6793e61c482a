"""How well cases went: the client's own process, second opinions, times and minutes saved."""
