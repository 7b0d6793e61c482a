"""Run the simulator as a process of its own, on loopback."""

from integrations.simulators.base.process import run

from .simulator import Microsoft365

if __name__ == "__main__":
    run(Microsoft365)
