"""Who may ask what: this machine, the right address, one page, nothing from a path."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lucyte.pipeline.label_answers import AnswerLog, parse_answers
from lucyte.pipeline.label_crops import cut_cells
from lucyte.pipeline.label_folder import LabelFolder, LabelSettings
from lucyte.pipeline.label_pictures import Pictures
from lucyte.pipeline.label_server import LabelServer
from lucyte.pipeline.label_session import Session, order_of
from lucyte.schema.errors import UsageError
from worlds.label_runs import write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> LabelFolder:
    """Labels of a small run, begun."""
    run = write_run(tmp_path_factory.mktemp("served"))
    found = LabelFolder(run / "labels")
    cells = cut_cells(run, found.root, 12, 0, quiet=True)
    found.write(LabelSettings("run", ("fed", "starved"), 0, 12, "well", cells.limits), cells.items)
    return found


@pytest.fixture
def server(folder: LabelFolder, tmp_path: Path) -> Iterator[LabelServer]:
    """The page of one annotator; his answers go to ``tmp_path/anna.csv``."""
    with AnswerLog(tmp_path / "anna.csv") as log:
        settings = folder.settings()
        row = order_of(folder.items(), 0, "anna", repeats=True)
        served = LabelServer(Session(settings, row, log, b"secret"), Pictures(folder, settings))
        served.start()
        yield served
        served.stop()


def ask(
    server: LabelServer,
    name: str,
    body: Any = None,
    path: str | None = None,
    **headers: str,
) -> tuple[int, bytes, dict[str, str]]:
    """One request, as a browser or as somebody else would send it."""
    http = HTTPConnection("127.0.0.1", server.port, timeout=60)
    where = f"/{server.token}/{name}" if path is None else path
    given = {each.replace("_", "-"): value for each, value in headers.items()}
    if body is None:
        http.request("GET", where, headers=given)
    else:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        http.request("POST", where, data, {"Content-Type": "application/json", **given})
    reply = http.getresponse()
    found = (reply.status, reply.read(), {k.lower(): v for k, v in reply.getheaders()})
    http.close()
    return found


def keys(server: LabelServer) -> list[str]:
    row = json.loads(ask(server, "session")[1])["row"]
    return [each["key"] for each in row]


def test_the_page_and_its_two_files_come_with_a_policy_that_forbids_all_else(
    server: LabelServer,
) -> None:
    for name, kind in (("", "text/html"), ("label.css", "text/css"), ("label.js", "text/java")):
        status, body, headers = ask(server, name)
        assert status == 200
        assert headers["content-type"].startswith(kind)
        assert b"http" not in body.replace(b"http-equiv", b"")
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 's")
        assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")
        assert headers["x-content-type-options"] == "nosniff"


def test_a_picture_is_raw_pixels_channels_and_an_outline(
    server: LabelServer, folder: LabelFolder
) -> None:
    key = keys(server)[0]
    told = json.loads(ask(server, f"picture/{key}")[1])
    pixels = np.frombuffer(ask(server, f"pixels/{key}")[1], "<f4")
    assert pixels.size == 2 * told["height"] * told["width"]
    assert [each["name"] for each in told["channels"]] == ["EGFP", "mRFP"]
    (outline,) = told["outline"]
    middle = told["width"] / 2
    assert np.mean(outline, axis=0) == pytest.approx([middle, middle], abs=1)
    inside = pixels.reshape(2, told["height"], told["width"])[:, told["height"] // 2]
    assert inside[:, told["width"] // 2].max() > 800, "the cell is not in the middle"


def test_nothing_that_is_sent_names_a_cell_a_well_or_a_condition(server: LabelServer) -> None:
    sent = ask(server, "session")[1]
    for key in keys(server):
        sent += ask(server, f"picture/{key}")[1]
    for word in (b"secret", b"260101", b"C03", b"L03", b"t000", b"crops", b"well", b"/cell"):
        assert word not in sent


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_other_hosts_and_other_pages_are_refused(
    server: LabelServer, headers: dict[str, str], tmp_path: Path
) -> None:
    key = keys(server)[0]
    assert ask(server, "session", **headers)[0] == 403
    answer = {"key": key, "state": "fed", "seconds": 1}
    status, body, _ = ask(server, "answer", answer, **headers)
    assert (status, b"answers" in body) == (403, True)
    assert parse_answers(tmp_path / "anna.csv") == {}


def test_our_own_page_is_let_in_by_both_names_of_this_machine(server: LabelServer) -> None:
    for name in ("127.0.0.1", "localhost"):
        own = f"{name}:{server.port}"
        headers = {"Host": own, "Origin": f"http://{own}", "Sec_Fetch_Site": "same-origin"}
        assert ask(server, "session", **headers)[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/session",
        "/wrong/session",
        "//session",
        "/{token}",
        "/{token}x/session",
        "/{token}/../session",
        "/{token}/label.py",
        "/{token}/../../../../etc/passwd",
        "/{token}/%2e%2e/%2e%2e/etc/passwd",
        "/{token}/pixels/../../sample.csv",
        "/{token}/session?x=1",
    ],
)
def test_wrong_tokens_and_other_paths_find_nothing(server: LabelServer, path: str) -> None:
    status, body, _ = ask(server, "", path=path.format(token=server.token))
    assert status in (400, 404)
    assert body in (b'{"error": "not here"}', b'{"error": "no such picture; reload the page."}')


def test_an_answer_is_on_the_disk_before_the_page_is_told(
    server: LabelServer, tmp_path: Path
) -> None:
    key = keys(server)[0]
    status, body, _ = ask(server, "answer", {"key": key, "state": "starved", "seconds": 2})
    assert (status, json.loads(body)) == (200, {"state": "starved", "reason": ""})
    (answer,) = parse_answers(tmp_path / "anna.csv").values()
    assert (answer.state, answer.seconds, answer.revision) == ("starved", 2.0, 1)
    assert json.loads(ask(server, "undo", {})[1])["key"] == key


def test_many_sends_of_one_answer_at_once_are_one_line(server: LabelServer, tmp_path: Path) -> None:
    answer = {"key": keys(server)[0], "state": "fed", "seconds": 1}
    threads = [threading.Thread(target=lambda: ask(server, "answer", answer)) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len((tmp_path / "anna.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"key": "nobody", "state": "fed", "seconds": 1}, 400, "no such picture"),
        ({"state": "fed"}, 400, "an answer has key"),
        ({"key": 1, "state": "fed", "seconds": "soon"}, 400, "an answer has key"),
        ([], 400, "JSON is due"),
        (b"{", 400, "JSON is due"),
        (b"[" * 4000, 400, "JSON is due"),
        (b"x" * 5000, 413, "too long"),
    ],
)
def test_what_is_no_answer_is_refused(
    server: LabelServer, body: Any, status: int, said: str
) -> None:
    found = ask(server, "answer", body)
    assert (found[0], said in json.loads(found[1])["error"]) == (status, True)


def test_a_form_of_another_page_cannot_post(server: LabelServer) -> None:
    form = ask(server, "undo", b"{}", Content_Type="text/plain")
    assert (form[0], json.loads(form[1])) == (400, {"error": "JSON is due"})


def test_other_methods_are_refused(server: LabelServer) -> None:
    http = HTTPConnection("127.0.0.1", server.port, timeout=60)
    http.request("DELETE", f"/{server.token}/session")
    assert http.getresponse().status == 501
    http.close()


def test_a_picture_that_is_gone_is_said_without_its_name(
    server: LabelServer, folder: LabelFolder
) -> None:
    shown = server._session.row[-1]
    path = folder / shown.item.image
    kept = path.read_bytes()
    try:
        path.unlink()
        status, body, _ = ask(server, f"picture/{shown.key}")
        assert (status, json.loads(body)["error"]) == (500, "does not exist. Check the path.")
    finally:
        path.write_bytes(kept)


def test_it_listens_on_this_machine_only_and_a_taken_port_is_one_line(
    server: LabelServer, folder: LabelFolder
) -> None:
    assert server._http.server_address[0] == "127.0.0.1"
    with pytest.raises(UsageError, match=rf"--port {server.port}: cannot be used \(Address alr"):
        LabelServer(server._session, server._pictures, server.port)


def test_the_last_button_ends_it(server: LabelServer) -> None:
    assert not server.finished.is_set()
    assert ask(server, "finish", {})[0] == 200
    assert server.finished.is_set()
    server.stop()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)
