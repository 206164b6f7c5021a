"""Two processes train one network: the same weights in both, and only the first writes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from lucyte.learn.team import Team, join_team

TRAIN = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
from safetensors.torch import save_file
from learn.test_object_training import SETTINGS, blobs, network, score
from lucyte.learn.object_training import train_objects
from lucyte.learn.team import join_team

rank = join_team("cpu").rank
made, _ = train_objects(
    network(), [blobs(0), blobs(1)], SETTINGS, Path({out!r}) / "run", evaluate=score,
    told=lambda row: print("told"),
)
arrays = {{k: v.contiguous() for k, v in made.state_dict().items()}}
save_file(arrays, f"{out}/{{rank}}.safetensors")
"""


def start(out: Path, rank: int, size: int, port: int) -> subprocess.Popen[str]:
    told = {"WORLD_SIZE": str(size), "RANK": str(rank), "LOCAL_RANK": str(rank)}
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    text = TRAIN.format(tests=str(Path(__file__).parents[1]), out=str(out))
    return subprocess.Popen(
        [sys.executable, "-c", text],
        env={**os.environ, **told, **where},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_end_with_equal_weights(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "alone").mkdir()
    team = [start(tmp_path, rank, 2, port) for rank in (0, 1)]
    alone = start(tmp_path / "alone", 0, 1, port)
    said = [each.communicate(timeout=300) for each in (*team, alone)]
    assert [each.returncode for each in (*team, alone)] == [0, 0, 0], said
    first, second = (load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1))
    other = load_file(tmp_path / "alone" / "0.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
    assert "told" in said[0][0] and "told" not in said[1][0]


def test_a_process_alone_is_a_team_of_one() -> None:
    team = join_team("cpu")
    assert team == Team(0, 1, "cpu") and team.first
    tensor = torch.ones(3)
    team.average([tensor])
    assert tensor.tolist() == [1, 1, 1]
