"""Real SIGKILLs: the same command goes on and ends with the same bytes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

from worlds.runs import (
    LEAN,
    RESULTS,
    TABLES,
    Said,
    ending,
    files,
    kill_when,
    run,
    run_well,
    start,
    unlike,
    wait_until,
    write_plan,
)

MOMENTS = (
    "260101-ST_E03_s1.json",
    "mask001.tif",
    "objects.parquet",
    "report.html",
)
"""Files that a run writes one after the other, in the order of the run."""

TORN = """
import os, signal
from lucyte.io import atomic
whole = atomic._replace
def torn(temporary, target):
    if target.name == {name!r}:
        os.truncate(temporary, temporary.stat().st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    whole(temporary, target)
atomic._replace = torn
"""
"""Dies at the moment at which a file, half of which is on the disk, was to get its name."""


def markers(folder: Path, stage: str = "field") -> dict[str, int]:
    """When each field finished a stage (ns)."""
    found = (folder / "stages" / stage).glob("*.json")
    return {path.stem: path.stat().st_mtime_ns for path in found if path.name[0] != "."}


def test_two_workers_write_the_same_bytes_as_one(home: Path, finished: Path) -> None:
    run_well(home / "plan.toml", home / "two", workers=2)
    assert json.loads((home / "two" / "provenance.json").read_text())["workers"] == 2
    assert unlike(finished, home / "two") == []
    same = [name for name in files(finished) if name.startswith("tracks/")]
    assert len(same) == 6 * (3 + 2)  # masks, res_track.txt, plausibility.csv
    assert unlike(finished, home / "two", tuple(same)) == []


def test_killed_again_and_again_it_ends_with_the_same_bytes(home: Path, finished: Path) -> None:
    out = home / "killed"
    command = ("run", home / "plan.toml", "-o", out, "--workers", 1, "--quiet")
    kill_when(start(*command), lambda: len(markers(out)) >= 1, "a field was done")
    first = markers(out)
    assert 1 <= len(first) < 6, "test invalid: the first kill came too late"
    kill_when(start(*command), lambda: len(markers(out, "track")) >= 2, "two were tracked")
    second = markers(out)
    assert len(second) == 6 and first.items() <= second.items(), "what was done was done again"
    kill_when(start(*command), (out / "provenance.json").exists, "provenance was written")
    assert not (out / "report.html").exists(), "test invalid: the third kill came too late"
    run_well(home / "plan.toml", out)
    assert markers(out) == second
    assert unlike(finished, out, RESULTS) == []
    assert files(out) == files(finished)


def test_killed_over_half_a_file_it_never_takes_it_for_a_whole_one(home: Path, lean: Path) -> None:
    out = home / "torn"
    command = ("run", home / "lean.toml", "-o", out, "--workers", 1, "--quiet")
    for name in MOMENTS:
        process = start(*command, code=TORN.format(name=name))
        said = ending(process)
        assert said.code == -signal.SIGKILL, f"test invalid at {name}: {said}"
        stem, suffix = Path(name).stem, Path(name).suffix
        left = list(out.rglob(f".{stem}.{process.pid}.partial{suffix}"))
        assert len(left) == 1, f"test invalid: nothing torn at {name}"
    run_well(home / "lean.toml", out)
    assert unlike(lean, out, (*TABLES, "evidence.json")) == []
    assert files(out) == files(lean), "what the kills tore was not cleared away"


def test_a_killed_worker_ends_the_run_with_one_line_and_the_rerun_goes_on(
    home: Path, lean: Path
) -> None:
    out = home / "worker"
    command = ("run", home / "lean.toml", "-o", out, "--workers")
    kill_when(start(*command, 1, "--quiet"), lambda: len(markers(out)) >= 2, "two fields were done")
    before = markers(out)
    process = start(*command, 2, "--quiet")
    wait_until(process, lambda: bool(workers_of(process.pid)), "a worker")
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    said = ending(process)
    assert (said.code, said.out) == (1, "")
    assert said.err.splitlines() == [
        "lucyte: a worker process was killed, most likely for want of memory. Finished fields are "
        "kept: run the same command again, with --workers 1 if it happens again."
    ]
    run_well(home / "lean.toml", out)
    assert before.items() <= markers(out).items(), "what was done was done again"
    assert unlike(lean, out, (*TABLES, "evidence.json")) == []


def workers_of(pid: int) -> list[int]:
    """Worker processes of a run, by its process id (Linux)."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        named = {int(each): Path(f"/proc/{each}/cmdline").read_bytes() for each in children}
    except OSError:
        return []
    return [child for child, words in named.items() if b"spawn_main" in words]


def test_workers_do_not_outlive_a_killed_run(home: Path) -> None:
    process = start("run", home / "lean.toml", "-o", home / "orphans", "--workers", 2, "--quiet")
    found: list[int] = []

    def both_there() -> bool:
        found[:] = workers_of(process.pid)
        return len(found) == 2

    kill_when(process, both_there, "both workers")
    patience = time.monotonic() + 60
    while any(Path(f"/proc/{worker}").exists() for worker in found):
        assert time.monotonic() < patience, "workers live on without their run"
        time.sleep(0.05)


def test_a_run_that_is_done_does_no_field_again(home: Path, lean: Path) -> None:
    out = home / "again"
    shutil.copytree(lean, out)
    run_well(home / "lean.toml", out)
    assert (markers(out), markers(out, "track")) == (markers(lean), markers(lean, "track"))
    told = json.loads((out / "provenance.json").read_text())
    assert told["stages"]["fields"]["kept_from_before"] == 6
    assert unlike(lean, out, (*TABLES, "evidence.json")) == []


def test_a_setting_of_tracking_leaves_the_fields_alone(home: Path, lean: Path) -> None:
    out = home / "nogap"
    shutil.copytree(lean, out)
    plan = write_plan(home, LEAN + "[track]\nmax_gap = 0\n", name="nogap.toml")
    run_well(plan, out)
    assert markers(out) == markers(lean)
    was, now = markers(lean, "track"), markers(out, "track")
    assert was.keys() == now.keys() and all(was[name] < now[name] for name in was)


def test_a_setting_of_the_report_leaves_fields_and_tracks_alone(home: Path, lean: Path) -> None:
    out = home / "titled"
    shutil.copytree(lean, out)
    run_well(write_plan(home, LEAN + '[report]\ntitle = "Fed?"\n', name="titled.toml"), out)
    assert (markers(out), markers(out, "track")) == (markers(lean), markers(lean, "track"))
    assert "Fed?" in (out / "report.html").read_text()


def test_a_setting_of_segmentation_does_every_field_again(home: Path, lean: Path) -> None:
    out = home / "split"
    shutil.copytree(lean, out)
    more = LEAN + "[measure]\nspot_diameter_px = 4.0\n"
    run_well(write_plan(home, more, name="split.toml"), out)
    was, now = markers(lean), markers(out)
    assert was.keys() == now.keys() and all(was[name] < now[name] for name in was)


def test_a_changed_image_does_its_field_again(home: Path, lean: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "plate", tmp_path / "plate")
    shutil.copytree(lean, tmp_path / "lean")
    plan = write_plan(tmp_path, LEAN, name="lean.toml")
    path = tmp_path / "plate/images/Timepoint_001_260101-ST_D03_s1_w1.tif"
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 10**9))
    run_well(plan, tmp_path / "lean")
    was, now = markers(lean), markers(tmp_path / "lean")
    assert [name for name in was if was[name] != now[name]] == ["260101-ST_D03_s1"]


def test_nothing_of_another_plan_stays(home: Path, finished: Path) -> None:
    more = '\n[track]\nenabled = "off"\n[classify]\nenabled = "off"\n[explain]\nenabled = "off"\n'
    plan = write_plan(home, more, name="bare.toml")
    run_well(plan, home / "bare")
    shutil.copytree(finished, home / "reused")
    run_well(plan, home / "reused")
    assert files(home / "reused") == files(home / "bare")
    assert unlike(home / "bare", home / "reused", (*TABLES, "evidence.json")) == []


def test_an_unfinished_run_shows_no_report_of_another_plan(home: Path, lean: Path) -> None:
    out = home / "unfinished"
    shutil.copytree(lean, out)
    plan = write_plan(home, LEAN + "[measure]\nspot_diameter_px = 3.0\n", name="other.toml")
    process = start("run", plan, "-o", out, "--workers", 1, "--quiet")
    kill_when(process, lambda: len(markers(out)) < 6, "the first field was begun anew")
    assert "spot_diameter_px = 3.0" in (out / "plan.toml").read_text()
    assert not {"report.html", "evidence.json", *TABLES} & {path.name for path in out.iterdir()}


def test_a_second_run_is_kept_out_of_the_folder(home: Path, lean: Path) -> None:
    from lucyte.pipeline.folder import RunFolder

    before = files(lean)
    with RunFolder(lean).lock():
        said = run(home / "lean.toml", lean)
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        f"lucyte: {lean}: another run is writing here; wait for it or choose another folder "
        "with -o.\n"
    )
    assert files(lean) == before


def test_ctrl_c_says_how_to_go_on(home: Path) -> None:
    """The signal goes to the whole group, as from a terminal."""
    out = home / "stopped"
    process = start("run", home / "lean.toml", "-o", out, "--workers", 2, "--quiet")
    wait_until(process, lambda: bool(markers(out)), "a field was done")
    os.killpg(process.pid, signal.SIGINT)
    said = ending(process)
    assert said == Said(1, "", "lucyte: stopped. The same command goes on where it was.\n")
