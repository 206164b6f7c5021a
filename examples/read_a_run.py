"""What a run found, and what of it may be believed, from its tables.

python examples/read_a_run.py run
"""

import json
import sys
from pathlib import Path

import pandas as pd

from lucyte import Finding


def main(folder: str = "run") -> None:
    """Print cells per well, their mean area, and every finding with its verdict."""
    run = Path(folder)
    objects = pd.read_parquet(run / "objects.parquet")
    cells = objects[objects["kind"] == "cell"]
    wells = cells.groupby(["condition", "well"])
    print(wells.agg(cells=("object_id", "size"), area_px=("area_px", "mean")).round(1))
    for row in json.loads((run / "evidence.json").read_text(encoding="utf-8")):
        finding = Finding.from_json(row)
        n = f"{finding.n} {finding.unit}{'' if finding.n == 1 else 's'}"
        print(f"{finding.verdict:>12}  {finding.question}  ({n})")


if __name__ == "__main__":
    main(*sys.argv[1:2])
