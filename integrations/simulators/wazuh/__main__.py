"""Run the simulator as a process of its own, on loopback."""

from integrations.simulators.base.process import run
from integrations.simulators.wazuh.simulator import Wazuh

if __name__ == "__main__":
    run(Wazuh)
