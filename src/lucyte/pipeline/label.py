"""``lucyte label``: from a run or a folder of images to labels that two people stand for."""

from __future__ import annotations

import getpass
import os
import secrets
import shlex
import signal
import statistics
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lucyte.io.files import Listing, list_images
from lucyte.pipeline.label_answers import AnswerLog, check_name
from lucyte.pipeline.label_consensus import (
    ADJUDICATED,
    LABELS,
    Labels,
    read_labels_folder,
    unknown_reasons,
    write_consensus,
)
from lucyte.pipeline.label_crops import ALL, cut_cells
from lucyte.pipeline.label_folder import (
    SETTINGS,
    LabelFolder,
    LabelSettings,
    check_classes,
    with_classes,
)
from lucyte.pipeline.label_images import choose_images
from lucyte.pipeline.label_pictures import Pictures
from lucyte.pipeline.label_sample import SAMPLED, gone, is_run
from lucyte.pipeline.label_server import LabelServer
from lucyte.pipeline.label_session import Session, order_of
from lucyte.pipeline.words import counted
from lucyte.schema.errors import InputError, UsageError

Say = Callable[[str], None]


@dataclass(frozen=True)
class LabelRequest:
    """What was asked for.

    Attributes
    ----------
    data : Path
        A run folder, or images (folder, file, glob).
    out : Path or None
        Where labels go; None for ``labels`` in ``data``.
    annotator : str
        Empty for the name of the person logged in.
    classes : tuple of str
        Empty for those settled before, or the run's own states.
    sample : int or None
        None for 300 cells of a run, or all images; 0 for all.
    seed, port : int
    adjudicate, agreement : bool
        Settle disagreements; only say how far annotators agree.
    browser : bool
        Open the page, where there is a screen.
    quiet : bool
    """

    data: Path
    out: Path | None = None
    annotator: str = ""
    classes: tuple[str, ...] = ()
    sample: int | None = None
    seed: int = 0
    port: int = 0
    adjudicate: bool = False
    agreement: bool = False
    browser: bool = True
    quiet: bool = False


@dataclass(frozen=True)
class Labelled:
    """How a sitting ended: lines for the terminal, and the next command."""

    summary: str
    next_command: str


def label(request: LabelRequest, say: Say = print) -> Labelled:
    """Serve the page until it is finished or stopped with Ctrl-C; then write ``labels.csv``.

    Parameters
    ----------
    request : LabelRequest
    say : callable
        Told the address and what a person must know before the first cell.

    Raises
    ------
    UsageError, InputError
        No run and no images, no cells, classes that do not fit, a port that is taken; one line.
    """
    folder = LabelFolder(request.out or _home(request.data))
    annotator = check_name(request.annotator or _who())
    if request.adjudicate or request.agreement:
        if not folder.begun():
            raise UsageError(f"{folder.root}: holds no labels yet; begin with: {_again(request)}")
        return _agreement(request, folder) if request.agreement else _settle(request, folder, say)
    settings = _prepare(request, folder, say)
    items = folder.items()
    if is_run(request.data) and (lost := gone(request.data, items)):
        say(f"{lost} of {len(items)} cells are not in the run any more as they were cut out.")
    twin = [name for name in folder.annotators() if name.lower() == annotator.lower()]
    if twin and twin[0] != annotator:
        raise UsageError(f"--annotator: there is a {twin[0]!r}; write it so, or choose another.")
    with AnswerLog(folder / f"{annotator}.csv") as log:
        if log.recovered:
            say("The last answer was cut short by a crash and was removed; its cell comes again.")
        row = order_of(items, settings.seed, annotator, repeats=True)
        session = Session(settings, row, log, secrets.token_bytes(16))
        left = len(row) - session.done
        say(f"{annotator}: {counted(left, 'picture')} to go, {session.done} done.")
        _serve(request, session, Pictures(folder, settings), say)
        complete = session.done == len(row)
    labels = read_labels_folder(folder)
    lines = [_sitting(annotator, labels, len(row)), *write_consensus(folder, labels)]
    return Labelled("\n".join(lines), _next(request, folder, labels, complete))


def _home(data: Path) -> Path:
    """Where labels of this run, folder, file or glob go."""
    if (data / SETTINGS).is_file():
        raise UsageError(f"{data}: holds labels; give what is labelled: lucyte label {data.parent}")
    if is_run(data) or data.is_dir():
        return data / "labels"
    return _listed(data).root / "labels"


def _prepare(request: LabelRequest, folder: LabelFolder, say: Say) -> LabelSettings:
    """The settings of the folder, made at the first start."""
    begun = folder.begun()
    if not begun and request.classes:
        check_classes(request.classes)
    if request.sample is not None and request.sample < 0:
        raise UsageError(f"--sample: a number of cells is 0 (all) or more, got {request.sample}.")
    if not begun and not is_run(request.data):
        _listed(request.data)
    with folder.lock():
        if not folder.begun():
            return _begin(request, folder, say)
        settings = folder.settings()
        if request.sample not in (None, settings.asked):
            raise UsageError(
                f"--sample: labels were begun with {settings.asked or 'all'}, and a sample stays "
                "as it is; leave --sample out, or begin anew with another folder, -o."
            )
        if request.seed not in (0, settings.seed):
            raise UsageError(f"--seed: labels were begun with {settings.seed}; leave --seed out.")
        if request.classes:
            wider = with_classes(settings, request.classes)
            if wider != settings:
                folder.settle(wider)
                new = wider.classes[len(settings.classes) :]
                say(f"Added {', '.join(new)}; what was answered before had no such choice.")
            settings = wider
        return settings


def _listed(data: Path) -> Listing:
    try:
        return list_images(data)
    except InputError as error:
        raise InputError(
            data, f"is neither a run nor images: {error.problem}", error.advice
        ) from None


def _begin(request: LabelRequest, folder: LabelFolder, say: Say) -> LabelSettings:
    run = is_run(request.data)
    choose = cut_cells if run else choose_images
    asked = request.sample if request.sample is not None else SAMPLED * run
    count = asked or ALL * run
    cells = choose(request.data, folder.root, count, request.seed, quiet=request.quiet)
    if not request.classes and len(cells.classes) < 2:
        raise UsageError(
            f"{request.data}: say which states to tell apart, e.g. --classes fed,starved."
        )
    settings = LabelSettings(
        form="run" if run else "images",
        classes=check_classes(request.classes or cells.classes),
        seed=request.seed,
        asked=asked,
        unit=cells.unit,
        limits=cells.limits,
        pixel_size_um=cells.pixel_size_um,
    )
    folder.write(settings, cells.items)
    for note in cells.notes:
        say(note)
    if not request.classes:
        say(f"Classes: {', '.join(settings.classes)} (the run's states; others with --classes).")
    return settings


def _serve(request: LabelRequest, session: Session, pictures: Pictures, say: Say) -> None:
    """Until the page says that it is finished, or Ctrl-C."""
    server = LabelServer(session, pictures, request.port)
    server.start()
    try:
        with _terminated():
            say(f"Open {server.address}\nCtrl-C ends; every answer is kept at once.")
            if request.browser and _has_screen():
                threading.Thread(
                    target=webbrowser.open, args=(server.address,), daemon=True
                ).start()
            # A signal that meets another thread does not end a wait without limit.
            while not server.finished.wait(0.2):
                pass
    except KeyboardInterrupt:
        say("")
    finally:
        server.stop()


@contextmanager
def _terminated() -> Iterator[None]:
    """The polite signal to end counts as Ctrl-C, and both count even where a shell that started
    this in the background has them ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    ends = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(each, stop) for each in ends]
    try:
        yield
    finally:
        for each, was in zip(ends, before, strict=True):
            signal.signal(each, was)


def _has_screen() -> bool:
    """Is there a browser to open, other than one in the terminal?"""
    named = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return sys.platform in ("darwin", "win32") or bool(named)


def _agreement(request: LabelRequest, folder: LabelFolder) -> Labelled:
    labels = read_labels_folder(folder)
    if not labels.first:
        raise UsageError(f"{folder.root}: nobody has labelled anything yet.")
    lines = write_consensus(folder, labels)
    if len(labels.first) < 2:
        lines.insert(0, f"Only {next(iter(labels.first))} has labelled so far.")
    done = all(labels.complete(name) for name in labels.first)
    return Labelled("\n".join(lines), _next(request, folder, labels, done))


def _settle(request: LabelRequest, folder: LabelFolder, say: Say) -> Labelled:
    labels = read_labels_folder(folder)
    if len(labels.first) < 2:
        who = ", ".join(labels.first) or "nobody"
        raise UsageError(f"{folder.root}: adjudication needs two annotators; so far: {who}.")
    apart = labels.apart
    if not apart:
        lines = ["Nothing to settle: all agree.", *write_consensus(folder, labels)]
        return Labelled("\n".join(lines), _next(request, folder, labels, True))
    said = {
        item.object_id: tuple(
            sorted({answer.state for answer in labels.said(item.object_id).values()})
        )
        for item in apart
    }
    with AnswerLog(folder / ADJUDICATED) as log:
        row = order_of(apart, labels.settings.seed, "adjudicated", repeats=False)
        session = Session(labels.settings, row, log, secrets.token_bytes(16), said)
        say(f"{counted(len(row) - session.done, 'disagreement')} to settle.")
        _serve(request, session, Pictures(folder, labels.settings), say)
    labels = read_labels_folder(folder)
    lines = [f"Settled {len(apart) - labels.open} of {counted(len(apart), 'disagreement')}."]
    lines += write_consensus(folder, labels)
    return Labelled("\n".join(lines), _next(request, folder, labels, labels.open == 0))


def _sitting(annotator: str, labels: Labels, of: int) -> str:
    mine = labels.first.get(annotator, {})
    answers = [*mine.values(), *labels.again.get(annotator, {}).values()]
    if not answers:
        return f"{annotator} has labelled nothing yet."
    pace = statistics.median(each.seconds for each in answers)
    return (
        f"{annotator} has labelled {len(answers)} of {counted(of, 'picture')} "
        f"({unknown_reasons(mine)} unknown), {pace:.1f} s each."
    )


def _next(request: LabelRequest, folder: LabelFolder, labels: Labels, complete: bool) -> str:
    """The next useful command."""
    if not complete:
        return _again(request)
    if len(labels.first) < 2:
        return _again(replace(request, annotator="SECOND", adjudicate=False, agreement=False))
    if labels.open:
        return _again(replace(request, annotator="", adjudicate=True, agreement=False))
    return f"lucyte train classify {shlex.quote(str(folder / LABELS))} -o model"


def _again(request: LabelRequest) -> str:
    """The same command, without what is settled."""
    words = ["lucyte", "label", str(request.data)]
    words += ["-o", str(request.out)] if request.out else []
    words += ["--annotator", request.annotator] if request.annotator else []
    words += ["--adjudicate"] if request.adjudicate else []
    return shlex.join(words)


def _who() -> str:
    """The person logged in, where that name can be a file's."""
    try:
        name = getpass.getuser()
        return check_name(name)
    except (OSError, KeyError, ImportError, UsageError):
        raise UsageError("say who labels: --annotator NAME.") from None
