"""Write the dashboards to the directory that Grafana reads them from."""

import json
from pathlib import Path

from deploy.grafana.source.latency import LATENCY
from deploy.grafana.source.ledger import LEDGER
from deploy.grafana.source.overview import OVERVIEW
from deploy.grafana.source.processes import PROCESS
from deploy.grafana.source.providers import PROVIDERS
from deploy.grafana.source.queues import QUEUES_AND_WORKERS

FOLDER = Path(__file__).parents[1] / "dashboards"
BOARDS = (OVERVIEW, LATENCY, QUEUES_AND_WORKERS, PROVIDERS, LEDGER, PROCESS)


def files() -> dict[str, str]:
    """What is to be in the directory."""
    return {f"{board.name}.json": json.dumps(board.json(), indent=1) + "\n" for board in BOARDS}


if __name__ == "__main__":
    for name, text in files().items():
        (FOLDER / name).write_text(text)
