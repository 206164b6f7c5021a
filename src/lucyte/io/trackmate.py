"""Lineages as TrackMate XML (``Model`` of version 7), written and read.

Spots carry the object's own name, so that what Lucyte wrote comes back as it was; of a file that
TrackMate wrote, a spot's name is ``ID`` and its number. TrackMate's tracks are whole families:
Lucyte's tracks are cut out of them at divisions, and merges are refused.

References
----------
.. [1] D. Ershov et al. (2022), doi 10.1038/s41592-022-01507-1
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from lucyte.io.atomic import write_bytes
from lucyte.io.lineage_tables import lineage_of
from lucyte.schema.errors import InputError
from lucyte.schema.tracks import Tracks

VERSION = "7.11.1"
_SPOT = {
    "QUALITY": ("Quality", "Quality", "NONE"),
    "POSITION_X": ("X", "X", "POSITION"),
    "POSITION_Y": ("Y", "Y", "POSITION"),
    "POSITION_Z": ("Z", "Z", "POSITION"),
    "POSITION_T": ("T", "T", "TIME"),
    "FRAME": ("Frame", "Frame", "NONE"),
    "RADIUS": ("Radius", "R", "LENGTH"),
    "VISIBILITY": ("Visibility", "Visibility", "NONE"),
    "LABEL": ("Label", "Label", "NONE"),
}
_EDGE = {
    "SPOT_SOURCE_ID": ("Source spot ID", "Source ID", "NONE"),
    "SPOT_TARGET_ID": ("Target spot ID", "Target ID", "NONE"),
    "LINK_COST": ("Edge cost", "Cost", "COST"),
}
_TRACK = {
    "TRACK_INDEX": ("Track index", "Index", "NONE"),
    "TRACK_ID": ("Track ID", "ID", "NONE"),
    "NUMBER_SPOTS": ("Number of spots in track", "N spots", "NONE"),
}
_WHOLE = ("FRAME", "VISIBILITY", "LABEL", "SPOT_SOURCE_ID", "SPOT_TARGET_ID")


def write_trackmate(
    path: str | Path,
    tracks: Tracks,
    *,
    radius_px: Mapping[str, float] | float = 5.0,
    pixel_size_um: float | None = None,
    interval_s: float | None = None,
) -> None:
    """Write the lineage of one movie so that Fiji opens it (Plugins > Tracking > Load).

    Parameters
    ----------
    path : str or Path
    tracks : Tracks
    radius_px : mapping of object_id to float, or float
        Of the discs that TrackMate draws.
    pixel_size_um, interval_s : float, optional
        Positions are in um and s where given, else in px and frames.
    """
    size, step = pixel_size_um or 1.0, interval_s or 1.0
    root = ElementTree.Element("TrackMate", version=VERSION)
    units = {
        "spatialunits": "micron" if pixel_size_um else "pixel",
        "timeunits": "sec" if interval_s else "frame",
    }
    model = ElementTree.SubElement(root, "Model", units)
    _declare(model)
    nodes = tracks.nodes.reset_index(drop=True)
    spots = ElementTree.SubElement(model, "AllSpots", nspots=str(len(nodes)))
    for time, here in nodes.groupby("time_index", sort=True) if len(nodes) else ():
        frame = ElementTree.SubElement(spots, "SpotsInFrame", frame=str(time))
        row: Any
        for row in here.itertuples():
            name = str(row.object_id)
            radius = radius_px if isinstance(radius_px, float | int) else radius_px[name]
            values = {
                "ID": str(row.Index),
                "name": name,
                "QUALITY": "1.0",
                "POSITION_T": repr(float(int(str(time)) * step)),
                "FRAME": str(time),
                "RADIUS": repr(float(radius) * size),
                "VISIBILITY": "1",
                "POSITION_X": repr(float(row.x_px) * size),
                "POSITION_Y": repr(float(row.y_px) * size),
                "POSITION_Z": "0.0",
                "LABEL": str(row.label),
            }
            ElementTree.SubElement(frame, "Spot", values)
    _write_families(model, tracks, nodes)
    settings = ElementTree.SubElement(root, "Settings")
    frames = int(nodes["time_index"].max()) + 1 if len(nodes) else 1
    image = {"filename": "", "folder": "", "width": "0", "height": "0", "nslices": "1"}
    image |= {"nframes": str(frames), "pixelwidth": repr(size), "pixelheight": repr(size)}
    ElementTree.SubElement(settings, "ImageData", image | {"timeinterval": repr(step)})
    ElementTree.indent(root)
    out = io.BytesIO()
    ElementTree.ElementTree(root).write(out, encoding="UTF-8", xml_declaration=True)
    write_bytes(path, out.getvalue())


def read_trackmate(path: str | Path) -> Tracks:
    """Read a lineage that TrackMate, or ``write_trackmate``, wrote.

    Parameters
    ----------
    path : str or Path
        Positions come back in px where the file tells the pixel's width, else as they stand.

    Returns
    -------
    Tracks
        ``label`` is TrackMate's own number plus 1 where the file gives none.

    Raises
    ------
    InputError
        Not TrackMate's XML; an entity declaration, which no such file has; an edge without its
        spots; two cells that merge.
    """
    root = _parse(path)
    spots = list(root.iterfind("./Model/AllSpots/SpotsInFrame/Spot"))
    image = root.find("./Settings/ImageData")
    size = float(image.get("pixelwidth", "1")) if image is not None else 1.0
    rows = [_spot_row(path, spot, size or 1.0) for spot in spots]
    columns = ["number", "object_id", "time_index", "label", "y_px", "x_px"]
    nodes = pd.DataFrame(rows, columns=columns)
    edges = [
        (e.get("SPOT_SOURCE_ID", ""), e.get("SPOT_TARGET_ID", ""), e.get("LINK_COST", "nan"))
        for e in root.iterfind("./Model/AllTracks/Track/Edge")
    ]
    name = dict(zip(nodes["number"], nodes["object_id"], strict=True))
    time = dict(zip(nodes["number"], nodes["time_index"], strict=True))
    lost = next((end for edge in edges for end in edge[:2] if end not in name), None)
    if lost is not None:
        raise InputError(path, f"has an edge to spot {lost}, which is not there.")
    # TrackMate does not care which end of an edge is called the source.
    turned = [(a, b, c) if time[a] <= time[b] else (b, a, c) for a, b, c in edges]
    table = pd.DataFrame(
        [(name[a], name[b], float(c)) for a, b, c in turned],
        columns=["source_id", "target_id", "cost"],
    )
    return lineage_of(path, nodes.drop(columns="number"), table)


def _declare(model: ElementTree.Element) -> None:
    root = ElementTree.SubElement(model, "FeatureDeclarations")
    for group, features in (("Spot", _SPOT), ("Edge", _EDGE), ("Track", _TRACK)):
        parent = ElementTree.SubElement(root, f"{group}Features")
        for key, (name, short, dimension) in features.items():
            whole = "true" if key in _WHOLE or group == "Track" else "false"
            values = {"feature": key, "name": name, "shortname": short, "dimension": dimension}
            ElementTree.SubElement(parent, "Feature", values | {"isint": whole})


def _write_families(model: ElementTree.Element, tracks: Tracks, nodes: pd.DataFrame) -> None:
    """TrackMate's tracks: everything that edges connect."""
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    parent = ElementTree.SubElement(model, "AllTracks")
    shown = ElementTree.SubElement(model, "FilteredTracks")
    if not len(tracks.edges):
        return
    number = pd.Series(nodes.index, index=nodes["object_id"])
    source = number.loc[tracks.edges["source_id"]].to_numpy()
    target = number.loc[tracks.edges["target_id"]].to_numpy()
    graph = sparse.coo_array((np.ones(len(source)), (source, target)), shape=(len(nodes),) * 2)
    member = connected_components(graph, directed=False)[1]
    cost = tracks.edges["cost"].to_numpy(dtype=np.float64)
    for index, family in enumerate(np.unique(member[source]).tolist()):
        inside = np.flatnonzero(member[source] == family)
        values = {"name": f"Track_{index}", "TRACK_INDEX": str(index), "TRACK_ID": str(index)}
        values["NUMBER_SPOTS"] = str(int((member == family).sum()))
        track = ElementTree.SubElement(parent, "Track", values)
        for each in inside.tolist():
            ends = {"SPOT_SOURCE_ID": str(source[each]), "SPOT_TARGET_ID": str(target[each])}
            ElementTree.SubElement(track, "Edge", ends | {"LINK_COST": repr(float(cost[each]))})
        ElementTree.SubElement(shown, "TrackID", {"TRACK_ID": str(index)})


def _parse(path: str | Path) -> ElementTree.Element:
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(path, "no such file.") from None
    if b"<!ENTITY" in data:
        raise InputError(path, "declares entities, which no file of TrackMate does. Not read.")
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise InputError(path, f"is no whole XML file ({error}).") from None
    if root.tag != "TrackMate" or root.find("./Model/AllSpots") is None:
        raise InputError(
            path, f"is no TrackMate file: begins with <{root.tag}>.", "Save it in TrackMate again."
        )
    return root


def _spot_row(path: str | Path, spot: ElementTree.Element, size: float) -> tuple[Any, ...]:
    try:
        number = spot.attrib["ID"]
        time = int(float(spot.attrib["FRAME"]))
        y, x = float(spot.attrib["POSITION_Y"]) / size, float(spot.attrib["POSITION_X"]) / size
    except (KeyError, ValueError) as error:
        raise InputError(path, f"has a spot without a place or a frame ({error}).") from None
    label = spot.get("LABEL")
    own = spot.get("name", "") if label else f"ID{number}"
    return number, own, time, int(float(label)) if label else int(number) + 1, y, x
