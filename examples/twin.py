"""A cell as it is and as it would be starved: what the condition causes, and nothing else.

python examples/twin.py twin.png
"""

import sys

import numpy as np
from PIL import Image

from lucyte.io.merge import choose_limits, merge_channels
from lucyte.simulate.settings import LayoutSettings, WorldSettings
from lucyte.simulate.worlds import simulate

COLOURS = {"EGFP": "green", "mRFP": "magenta"}
SIDE = 160


def main(out: str = "twin.png") -> None:
    """Simulate one field per condition and draw a fed cell beside its starved twin."""
    layout = LayoutSettings(wells_per_condition=1, size_px=640, cells=16)
    world = simulate("autophagy", WorldSettings(layout=layout), seed=2)
    fed = next(field for field in world.plate.fields if field.condition == "fed")
    last = fed.time_indices[-1]
    states = world.truth(fed.field_id).states
    seen = states[(states["time_index"] == last) & (states["annotation"] == "fed")]
    bright = seen.nlargest(5, "photons")["track_id"]
    twins = [world.twin(fed.field_id, int(cell), last, SIDE) for cell in bright]
    changed = [np.abs(twin.other.astype(float) - twin.crop)[:2] for twin in twins]
    most = int(np.argmax([each.mean() for each in changed]))  # it has most to show
    pair = np.concatenate([twins[most].crop, twins[most].other], axis=2)[:2]
    limits = choose_limits(pair, list(COLOURS))
    spans = {name: (0.0, (high - low) / 2) for name, (low, high) in limits.items()}
    panels = [merge_channels(pair, COLOURS, limits), merge_channels(changed[most], COLOURS, spans)]
    Image.fromarray(np.concatenate(panels, axis=1)).resize((6 * SIDE, 2 * SIDE)).save(out)
    print(f"Wrote {out}: the cell fed, starved, and what starvation changed.")


if __name__ == "__main__":
    main(*sys.argv[1:2])
