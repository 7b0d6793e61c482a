"""Run the simulator as a process of its own, on loopback."""

from integrations.simulators.base.process import run
from integrations.simulators.ninjaone.simulator import Ninjaone

if __name__ == "__main__":
    run(Ninjaone)
