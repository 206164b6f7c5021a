"""The opening: what was asked, of how much."""

from __future__ import annotations

from markupsafe import Markup

from lucyte.report.content import ReportContent
from lucyte.report.findings import tally
from lucyte.report.palette import natural
from lucyte.report.template import fill
from lucyte.report.wording import count, listed, number, plural, span, things_of

MOST_CONDITIONS = 8


def opening(content: ReportContent) -> Markup:
    """Title, counts, one paragraph."""
    return fill(
        "asked.html",
        title=title_of(content),
        tiles=tiles(content),
        asked=asked(content),
        tally=tally(content.findings),
        written=content.written,
    )


def title_of(content: ReportContent) -> str:
    """The title that was given, or what was read."""
    given = content.title or content.plan.report.title
    return given or f"Report on {content.plan.input.path.rstrip('/').rsplit('/', 1)[-1]}"


def tiles(content: ReportContent) -> list[tuple[str, str]]:
    """The sizes of the experiment as numbers and nouns; what does not exist is left out."""
    fields = content.fields
    found = []
    if len(fields):
        for column in ("plate", "well"):
            names = fields.loc[fields[column].astype(str) != "", ["plate", column]]
            found.append((len(names.drop_duplicates()), column))
        found.append((len(fields), "field"))
        frames = int(fields["frames"].sum())
        if frames != len(fields):
            found.append((frames, "frame"))
    shown = [(f"{n:,}", noun if n == 1 else plural(noun)) for n, noun in found if n]
    return shown + [
        (f"{n:,}", kind if n == 1 else things_of(kind)) for kind, n in content.counts.items()
    ]


def asked(content: ReportContent) -> str:
    """One paragraph in words, from the plan and the tables."""
    fields = content.fields
    frames = int(fields["frames"].sum()) if len(fields) else 0
    words = [f"This run read {count(frames, 'frame')} of {count(len(fields), 'field')}."]
    conditions = [each for each in natural(fields["condition"]) if each] if len(fields) else []
    if conditions:
        words.append(_conditions(content, conditions))
    else:
        words.append("No conditions are known.")
    kinds = [each.kind for each in content.plan.segment.objects]
    words.append(f"Asked for: {listed([things_of(k) for k in kinds])}{_then(content)}.")
    words += [_time(content), _scale(content)]
    return " ".join(words)


def _conditions(content: ReportContent, conditions: list[str]) -> str:
    wells = bool((content.fields["well"].astype(str) != "").any())
    noun = "well" if wells else "field"
    units = content.fields.groupby("condition")[["plate", "well", "field_id"]].apply(
        lambda own: len(own[["plate", "well"] if wells else ["field_id"]].drop_duplicates())
    )
    if len(conditions) > MOST_CONDITIONS:
        sizes = sorted({int(units[each]) for each in conditions})
        each = count(sizes[-1], noun)
        each = f"{sizes[0]} to {each}" if len(sizes) > 1 else each
        return f"{len(conditions)} conditions of {each} each, among them {listed(conditions, 4)}."
    listing = [f"{each} ({count(int(units[each]), noun)})" for each in conditions]
    return f"Conditions: {listed(listing, MOST_CONDITIONS)}."


def _then(content: ReportContent) -> str:
    done = []
    if content.states is not None:
        done.append(f"their state ({listed(list(content.states.classes))})")
    if len(content.tracks):
        done.append("their tracks")
    if content.explained:
        done.append("why the model says so")
    if content.findings:
        done.append("which of this may be believed")
    return f"; {listed(done)}" if done else ""


def _time(content: ReportContent) -> str:
    if not len(content.fields) or int(content.fields["frames"].max()) < 2:
        return "Every field was seen once."
    if content.interval_s is None:
        return "The time between frames is unknown, so time is counted in frames."
    return f"Frames are {span(content.interval_s)} apart."


def _scale(content: ReportContent) -> str:
    if "pixel_size_um" not in content.fields or content.fields["pixel_size_um"].isna().all():
        return "The pixel size is unknown, so lengths are in pixels."
    sizes = sorted(set(content.fields["pixel_size_um"].dropna().astype(float)))
    some = " where known" if content.fields["pixel_size_um"].isna().any() else ""
    if len(sizes) == 1:
        return f"One pixel is {number(sizes[0])} µm{some}."
    return f"One pixel is {number(sizes[0])} to {number(sizes[-1])} µm{some}."
