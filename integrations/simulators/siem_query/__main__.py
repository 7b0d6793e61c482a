"""Run the simulator as a process of its own, on loopback."""

from integrations.simulators.base.process import run
from integrations.simulators.siem_query.simulator import QuerySiem

if __name__ == "__main__":
    run(QuerySiem)
