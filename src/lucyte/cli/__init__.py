"""The command ``lucyte``: one thin function per verb; everything heavy is imported inside."""

from __future__ import annotations

import os
import sys
from typing import Any

from lucyte.cli import (
    believing,
    checks,
    classifying,
    images,
    labelling,
    objects,
    plate,
    screening,
    training,
)
from lucyte.cli.app import app
from lucyte.schema.errors import LucyteError

VERBS = (images, plate, objects, labelling, training, classifying, screening, believing, checks)
"""Modules whose commands join the application; in this order the help lists them."""
STOPPED = 130
"""What typer exits with when a person presses Ctrl-C."""


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; a person's mistake is one line on standard error, never a traceback.

    Exits with 0 (done), 1 (failed) or 2 (wrong use).
    """
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # small matrices: threads cost time and change sums
    try:
        return app(args=arguments)
    except LucyteError as error:
        print(f"lucyte: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except SystemExit as done:
        if done.code != STOPPED:
            raise
        print("lucyte: stopped. The same command goes on where it was.", file=sys.stderr)
        raise SystemExit(1) from None
    except BrokenPipeError:
        raise SystemExit(0) from None
    except OSError as error:
        print(f"lucyte: {_disk_trouble(error)}", file=sys.stderr)
        raise SystemExit(1) from None


def _disk_trouble(error: OSError) -> str:
    """A file that cannot be made, read or written, in one line."""
    import errno

    told = {
        errno.ENOSPC: "disk full. Free some space and run again.",
        errno.EDQUOT: "disk full. Free some space and run again.",
        errno.EACCES: "no permission. Choose another folder with -o.",
        errno.EPERM: "no permission. Choose another folder with -o.",
        errno.EROFS: "no permission. Choose another folder with -o.",
        errno.EEXIST: "is in the way. Choose another folder with -o.",
        errno.ENOTDIR: "a file stands where a folder is needed. Choose another folder with -o.",
    }
    where = f"{error.filename}: " if error.filename else ""
    return where + told.get(error.errno or 0, f"{error.strerror or error}.")
