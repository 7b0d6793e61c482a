"""Run the simulator as a process of its own, on loopback."""

from integrations.simulators.base.process import run
from integrations.simulators.microsoft_sentinel.simulator import Sentinel

if __name__ == "__main__":
    run(Sentinel)
