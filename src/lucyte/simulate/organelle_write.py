"""World ``organelles`` on disk: OME-TIFF stacks in a folder per line, a table, truth beside."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

import lucyte
from lucyte.simulate.organelle_settings import ORGANELLE_CHANNELS
from lucyte.simulate.organelle_stack import Counts, OrganelleStack
from lucyte.simulate.organelles import OrganelleWorld
from lucyte.simulate.write_cellular import claim


def write_organelles(world: OrganelleWorld, folder: str | Path) -> None:
    """Write stacks, table and truth.

    ``images/<line>/<line>_culture<c>_stack<s>.ome.tif`` (Z C Y X), ``images.csv`` (``image, state,
    group``), ``truth/cells.csv`` (what grew in each cell), ``truth/cultures.csv`` (levels),
    ``truth/design.csv``, ``truth/ceilings.csv``, ``truth/cells/<name>.tif`` (label images of
    cells, seen from above) and ``world.json``.

    Parameters
    ----------
    world : OrganelleWorld
    folder : path
        Made if absent.

    Raises
    ------
    InputError
        The folder holds something else already. The same world, whole or half written, is
        written again.
    """
    import tifffile

    folder = Path(folder)
    marker = claim(folder, json.dumps(_describe(world), indent=2) + "\n")
    truth = folder / "truth"
    (truth / "cells").mkdir(parents=True, exist_ok=True)
    images, cells, cultures = [], [], {}
    for each in world.stacks:
        counts, rows = each.render()
        path = Path("images") / each.line / f"{each.name}.ome.tif"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_stack(folder / path, counts, each)
        labels = each.labels.astype(np.uint16)
        tifffile.imwrite(truth / "cells" / f"{each.name}.tif", labels, compression="zlib")
        images.append((path.as_posix(), each.line, each.group))
        cells.append(rows.assign(image=path.as_posix(), state=each.line, group=each.group))
        cultures[each.group] = {"group": each.group, "state": each.line, **each.levels._asdict()}
    columns = ["image", "state", "group"]
    pd.DataFrame(images, columns=columns).to_csv(folder / "images.csv", index=False)
    table = pd.concat(cells, ignore_index=True)
    table = table[[*columns, *(name for name in table if name not in columns)]]
    table.to_csv(truth / "cells.csv", index=False)
    pd.DataFrame(list(cultures.values())).to_csv(truth / "cultures.csv", index=False)
    world.design().to_csv(truth / "design.csv", index=False)
    world.ceilings().to_csv(truth / "ceilings.csv", index=False)
    marker.replace(folder / "world.json")


def write_stack(path: Path, counts: Counts, stack: OrganelleStack) -> None:
    """One OME-TIFF Z C Y X with channel names, pixel size and plane distance."""
    import tifffile

    tifffile.imwrite(
        path,
        counts,
        ome=True,
        photometric="minisblack",
        metadata={
            "axes": "ZCYX",
            "Channel": {"Name": list(ORGANELLE_CHANNELS)},
            "PhysicalSizeX": stack.settings.pixel_size_um,
            "PhysicalSizeY": stack.settings.pixel_size_um,
            "PhysicalSizeZ": stack.settings.z_step_um,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeYUnit": "µm",
            "PhysicalSizeZUnit": "µm",
        },
    )


def _describe(world: OrganelleWorld) -> dict[str, object]:
    return {
        "world": "organelles",
        "seed": world.seed,
        "version": lucyte.__version__,
        "channels": list(ORGANELLE_CHANNELS),
        "planted": list(world.planted),
        "settings": world.settings.model_dump(mode="json"),
    }
