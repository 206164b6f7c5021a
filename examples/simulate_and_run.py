"""From a simulated plate to a report, through the Python API: a small copy of ``lucyte demo``.

python examples/simulate_and_run.py here
"""

import sys
from pathlib import Path

from lucyte.pipeline.run import run_plan
from lucyte.pipeline.starter import starter_plan
from lucyte.simulate.settings import LayoutSettings, WorldSettings, demo_settings
from lucyte.simulate.worlds import simulate
from lucyte.simulate.write_cellular import write_cellular


def main(folder: str = "example") -> None:
    """Simulate four wells, write a plan, run it."""
    here = Path(folder)
    here.mkdir(parents=True, exist_ok=True)
    demo = demo_settings()
    layout = LayoutSettings(wells_per_condition=2, frames=2, size_px=224, cells=11)
    settings = WorldSettings(layout=layout, cell=demo.cell, optics=demo.optics)
    write_cellular(simulate("autophagy", settings, seed=1), here / "plate", merged=False)
    plan, plate = starter_plan(here / "plate" / "images", here)
    print(f"{len(plate.fields)} fields of channels {', '.join(plate.fields[0].channels)}")
    # a coarse patch keeps this example quick; leave it out for maps worth looking at
    explain = plan.explain.model_copy(update={"occlusion_px": 32})
    plan = plan.model_copy(update={"seed": 1, "explain": explain})
    command = f"python examples/simulate_and_run.py {folder}"
    print(run_plan(plan, here, here / "run", command=command, workers=1, quiet=True).summary)


if __name__ == "__main__":
    main(*sys.argv[1:2])
