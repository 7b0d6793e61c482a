"""Measurements of the whole product on this machine: faults (`chaos`) and speed (`throughput`)."""
