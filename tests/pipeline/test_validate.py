"""``lucyte validate`` on files: right numbers, what was left out is said, mistakes are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from lucyte.io.write_table import write_parquet
from lucyte.pipeline.validate import validate_files
from lucyte.schema.errors import InputError, LucyteError, UsageError
from lucyte.stats.boxes import average_precision

NAMES = [f"{well}_s{site}" for well in "ABC" for site in (1, 2)]


def cells(seed: int, moved: int = 0) -> np.ndarray:
    """Four squares of 12 px; the last one moved."""
    labels = np.zeros((60, 70), np.uint16)
    for k, (y, x) in enumerate([(3, 3), (3, 40), (35, 3), (35, 40 + moved)], 1):
        labels[y + seed : y + seed + 12, x : x + 12] = k
    return labels


def write(folder: Path, moved: int = 0, ending: str = "") -> Path:
    folder.mkdir(parents=True)
    for k, name in enumerate(NAMES):
        tifffile.imwrite(folder / f"{name}{ending}.tif", cells(k, moved))
    return folder


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return write(tmp_path / "truth")


@pytest.fixture
def found(tmp_path: Path) -> Path:
    return write(tmp_path / "found", moved=3)


def table_of(truth: Path, score: float | None = 0.9) -> pd.DataFrame:
    rows = []
    for path in sorted(truth.glob("*.tif")):
        labels = tifffile.imread(path)
        for k in np.unique(labels)[1:]:
            y, x = np.nonzero(labels == k)
            row = {"image": path.name, "field_id": path.stem, "time_index": 0}
            row |= {"x0_px": x.min(), "y0_px": y.min(), "x1_px": x.max() + 1, "y1_px": y.max() + 1}
            rows.append(row | ({} if score is None else {"score": score - 0.1 * k}))
    return pd.DataFrame(rows)


def scores(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "scores.csv")


def findings(out: Path) -> list[dict]:
    return json.loads((out / "evidence.json").read_text())


# objects


def test_instances_by_group(truth: Path, found: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    text = validate_files(found, truth, "instance", out, group_regex=r"^([A-Z])_")
    table = scores(out)
    assert table["image"].tolist() == NAMES
    assert table["group"].tolist() == list("AABBCC")
    # squares of 12 px moved by 3 share 9 of 15 columns
    assert table["F1@0.5"].tolist() == [1.0] * 6
    assert table["AP@0.75"].tolist() == [pytest.approx(3 / 5)] * 6
    assert table["PQ"][0] == pytest.approx((3 + 9 / 15) / 4)
    assert table["object_HD95_px"][0] == pytest.approx(3 / 4)
    assert table["pixel_F1"][0] == pytest.approx((3 * 144 + 108) / (4 * 144))
    assert "object_HD95_um" not in table
    (finding,) = findings(out)
    assert (finding["statistic"], finding["n"], finding["unit"]) == (1.0, 3, "group")
    row = finding["details"]["summary"]["object_HD95_px"]
    assert (row["better"], row["n"], row["low"]) == ("lower", 3, None)
    assert finding["details"]["summary"]["AP@0.75"]["pooled"] == pytest.approx(18 / 30)
    assert "Mean over 6 images (instance), n = 3 groups:" in text
    assert "NSD takes outlines up to 2 px apart as equal." in text


def test_a_requirement_and_um(truth: Path, found: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    validate_files(found, truth, "instance", out, at_least=0.4, spacing_um=[0.5])
    table = scores(out)
    assert table["object_HD95_um"].tolist() == (0.5 * table["object_HD95_px"]).tolist()
    (finding,) = findings(out)
    assert (finding["verdict"], finding["n"], finding["unit"]) == ("pass", 6, "image")
    assert "each image counts as independent" in " ".join(finding["details"]["notes"])


def test_tolerance_decides(truth: Path, found: Path, tmp_path: Path) -> None:
    strict, loose = tmp_path / "strict", tmp_path / "loose"
    validate_files(found, truth, "instance", strict, tolerance_px=0)
    validate_files(found, truth, "instance", loose, tolerance_px=3)
    assert scores(loose)["object_NSD"].tolist() == [1.0] * 6
    assert scores(strict)["object_NSD"].max() < 0.95


def test_what_has_no_partner_is_said(truth: Path, found: Path, tmp_path: Path) -> None:
    (truth / "B_s1.tif").unlink()
    (found / "C_s2.tif").unlink()
    text = validate_files(found, truth, "instance", tmp_path / "out")
    assert "1 images of the reference without a prediction was left out: C_s2." in text
    assert "1 predictions without a reference was left out: B_s1.tif." in text
    assert len(scores(tmp_path / "out")) == 4


def test_endings_are_put_aside(found: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", ending="_masks")
    validate_files(found, other, "instance", tmp_path / "out")
    assert len(scores(tmp_path / "out")) == 6


def test_an_annotated_folder_is_a_reference(found: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    write(data / "labels")
    write(data / "images")
    validate_files(found, data, "instance", tmp_path / "out")
    assert scores(tmp_path / "out")["AP@0.75"].tolist() == [pytest.approx(3 / 5)] * 6


def test_volumes_with_tall_voxels(tmp_path: Path) -> None:
    one = np.zeros((5, 20, 20), np.uint16)
    one[1:3, 4:12, 4:12] = 1
    for name, labels in (("a", one), ("b", np.roll(one, 1, axis=0))):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "x.tif", labels, photometric="minisblack")
    a, b, out = tmp_path / "a", tmp_path / "b", tmp_path / "out"
    text = validate_files(a, b, "semantic", out)
    assert "outlines were compared as if voxels were cubes" in text
    assert scores(out)["HD95_px"][0] == 1.0
    validate_files(a, b, "semantic", out, spacing_um=(2.0, 0.5, 0.5))
    table = scores(out)
    assert (table["HD95_px"][0], table["HD95_um"][0]) == (4.0, 2.0)
    with pytest.raises(UsageError, match="spacing of 1 numbers for 3 axes"):
        validate_files(a, b, "semantic", out, spacing_um=[0.5])


def test_empty_and_full_images(tmp_path: Path) -> None:
    pictures = {
        "both_empty": (np.zeros((9, 9)), np.zeros((9, 9))),
        "missed": (np.ones((9, 9)), np.zeros((9, 9))),
        "made_up": (np.zeros((9, 9)), np.ones((9, 9))),
        "full": (np.ones((9, 9)), np.ones((9, 9))),
    }
    for k, name in enumerate(("truth", "found")):
        (tmp_path / name).mkdir()
        for stem, pair in pictures.items():
            tifffile.imwrite(tmp_path / name / f"{stem}.tif", pair[k].astype(np.uint8))
    for task in ("instance", "semantic"):
        out = tmp_path / task
        validate_files(tmp_path / "found", tmp_path / "truth", task, out)
        table = scores(out).set_index("image")
        assert table["pixel_F1"].to_dict() == pytest.approx(
            {"both_empty": np.nan, "full": 1.0, "made_up": 0.0, "missed": 0.0}, nan_ok=True
        )
    table = scores(tmp_path / "semantic").set_index("image")
    assert table.loc["missed", "NSD"] == table.loc["made_up", "boundary_IoU"] == 0.0
    assert np.isnan(table.loc["missed", "HD95_px"]) and table.loc["full", "HD95_px"] == 0.0
    assert findings(tmp_path / "semantic")[0]["details"]["rows_undefined"] == 1


def test_masks_of_one_value(truth: Path, found: Path, tmp_path: Path) -> None:
    for path in truth.glob("*.tif"):
        tifffile.imwrite(path, ((tifffile.imread(path) > 0) * 255).astype(np.uint8))
    validate_files(found, truth, "semantic", tmp_path / "out")
    table = scores(tmp_path / "out")
    assert table["pixel_Jaccard"][0] == pytest.approx((3 * 144 + 108) / (4 * 144 + 36))
    pooled = findings(tmp_path / "out")[0]["details"]["summary"]["pixel_Jaccard"]["pooled"]
    assert pooled == pytest.approx(table["pixel_Jaccard"][0])
    with pytest.raises(InputError, match=r"not numbered objects. Use --task semantic"):
        validate_files(found, truth, "instance", tmp_path / "out")


# boxes


def test_boxes_against_label_images(truth: Path, found: Path, tmp_path: Path) -> None:
    out, mine = tmp_path / "out", table_of(found)
    write_parquet(mine, tmp_path / "boxes.parquet")
    text = validate_files(tmp_path, truth, "detection", out, group_regex="^.")
    rows = [[x[["x0_px", "y0_px", "x1_px", "y1_px"]].to_numpy() for _, x in t.groupby("image")]
            for t in (table_of(truth), mine)]  # fmt: skip
    sure = [x["score"].to_numpy() for _, x in mine.groupby("image")]
    expected = average_precision(*rows, sure)
    first, second, third = findings(out)
    assert (first["statistic_name"], first["statistic"]) == ("mAP50", expected["mAP50"])
    assert second["statistic"] == pytest.approx(expected["mAP50-95"])
    assert 0.5 < second["statistic"] < 1.0
    assert (third["statistic_name"], third["n"], third["unit"]) == ("F1@0.5", 3, "group")
    assert "n = 3 groups" in text
    assert scores(out)["found"].tolist() == [4] * 6


def test_csv_yolo_and_coco_give_the_same(truth: Path, found: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    table_of(found).to_csv(mine, index=False)
    true = table_of(truth)
    write(tmp_path / "data" / "images")
    boxes = tmp_path / "data" / "boxes"
    boxes.mkdir()
    entries = []
    for name, own in true.groupby("image"):
        lines = []
        for row in own.itertuples():
            w, h = row.x1_px - row.x0_px, row.y1_px - row.y0_px
            x, y = row.x0_px + w / 2, row.y0_px + h / 2
            lines.append(f"0 {x / 70:.8f} {y / 60:.8f} {w / 70:.8f} {h / 60:.8f}")
            box = [int(row.x0_px), int(row.y0_px), int(w), int(h)]
            image = NAMES.index(Path(str(name)).stem)
            entries.append({"id": len(entries), "image_id": image, "category_id": 1, "bbox": box})
        (boxes / f"{Path(str(name)).stem}.txt").write_text("\n".join(lines))
    images = [{"id": k, "file_name": f"{n}.tif", "height": 60, "width": 70}
              for k, n in enumerate(NAMES)]  # fmt: skip
    coco = {"images": images, "annotations": entries, "categories": [{"id": 1, "name": "cell"}]}
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    true.drop(columns="score").to_csv(tmp_path / "true.csv", index=False)
    values = []
    for k, reference in enumerate(
        (truth, tmp_path / "data", boxes, tmp_path / "coco.json", tmp_path / "true.csv")
    ):
        out = tmp_path / f"out{k}"
        validate_files(mine, reference, "detection", out)
        values.append([each["statistic"] for each in findings(out)])
    assert values[0][1] < 1.0
    for each in values[1:]:
        assert each == pytest.approx(values[0])


def test_images_without_a_box_count_as_nothing_found(truth: Path, tmp_path: Path) -> None:
    mine = table_of(truth)
    mine[mine["image"] != "A_s1.tif"].to_csv(tmp_path / "mine.csv", index=False)
    text = validate_files(tmp_path / "mine.csv", truth, "detection", tmp_path / "out")
    assert "1 of 6 images of the reference have no box in the prediction (A_s1 first)" in text
    assert scores(tmp_path / "out")["recall@0.5"].tolist() == [0.0] + [1.0] * 5
    # five sixths of the true boxes are found, and nothing else
    assert findings(tmp_path / "out")[0]["statistic"] == pytest.approx(84 / 101)


def test_boxes_without_scores_have_no_average_precision(truth: Path, tmp_path: Path) -> None:
    mine = table_of(truth).assign(score=np.nan)
    mine.to_csv(tmp_path / "mine.csv", index=False)
    text = validate_files(tmp_path / "mine.csv", truth, "detection", tmp_path / "out")
    assert "average precision is not defined" in text
    (finding,) = findings(tmp_path / "out")
    assert (finding["statistic_name"], finding["statistic"]) == ("F1@0.5", 1.0)
    mine.loc[3, "score"] = 0.5
    mine.to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(InputError, match=r"no score in 23 of 24 rows \(row 0 first\)"):
        validate_files(tmp_path / "mine.csv", truth, "detection", tmp_path / "out")


def test_boxes_of_other_classes_count_as_one_and_it_is_said(truth: Path, tmp_path: Path) -> None:
    table = table_of(truth)
    table.assign(state="fed").to_csv(tmp_path / "true.csv", index=False)
    table.assign(state="starved").to_csv(tmp_path / "mine.csv", index=False)
    text = validate_files(
        tmp_path / "mine.csv", tmp_path / "true.csv", "detection", tmp_path / "out"
    )
    assert "not compared, all count as one: starved in the prediction, fed in the ref" in text
    table.to_csv(tmp_path / "plain.csv", index=False)
    text = validate_files(
        tmp_path / "plain.csv", tmp_path / "plain.csv", "detection", tmp_path / "plain"
    )
    assert "not compared" not in text
    table.loc[3, "score"] = np.inf
    table.to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(InputError, match="has an infinite score in row 3"):
        validate_files(tmp_path / "mine.csv", tmp_path / "true.csv", "detection", tmp_path / "out")


def test_nothing_found_at_all(truth: Path, tmp_path: Path) -> None:
    table_of(truth).iloc[:0].to_csv(tmp_path / "mine.csv", index=False)
    validate_files(tmp_path / "mine.csv", truth, "detection", tmp_path / "out")
    assert scores(tmp_path / "out")["recall@0.5"].tolist() == [0.0] * 6


# states


def states(n: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    state = np.where(np.arange(n) % 2, "starved", "fed")
    p = np.clip(rng.normal(0.7, 0.2, n), 0.05, 0.95)
    fed = np.where(state == "fed", p, 1 - p)
    return pd.DataFrame(
        {
            "image": [f"{'ABCDEFGH'[k % 8]}_{k}.png" for k in range(n)],
            "truth": state,
            "state": np.where(fed > 0.5, "fed", "starved"),
            "p_fed": fed,
            "p_starved": 1 - fed,
        }
    )


def state_files(folder: Path) -> tuple[Path, Path, pd.DataFrame]:
    table = states()
    write_parquet(table.drop(columns="truth"), folder / "states.parquet")
    true = table[["image", "truth"]].rename(columns={"truth": "state"})
    true.sample(frac=1, random_state=0).to_csv(folder / "true.csv", index=False)
    return folder / "states.parquet", folder / "true.csv", table


def test_states_with_probabilities(tmp_path: Path) -> None:
    mine, true, table = state_files(tmp_path)
    text = validate_files(mine, true, "classification", tmp_path / "out", group_regex="^[A-H]")
    accuracy, chance = findings(tmp_path / "out")
    assert (accuracy["statistic_name"], accuracy["n"], accuracy["unit"]) == ("AUROC", 8, "group")
    assert chance["name"] == "accuracy.above_chance"
    right = float((table["truth"] == table["state"]).mean())
    assert accuracy["details"]["summary"]["accuracy"]["pooled"] == pytest.approx(right)
    assert scores(tmp_path / "out")["accuracy"].mean() == pytest.approx(right)
    assert accuracy["details"]["summary"]["brier"]["better"] == "lower"
    assert "recall:starved" in text


def test_a_class_called_none_is_a_class(tmp_path: Path) -> None:
    rows = [("None", "A", "NA")[k % 3] for k in range(60)]
    table = pd.DataFrame({"image": [f"i{k}" for k in range(60)], "state": rows})
    for name in ("mine", "true"):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    text = validate_files(
        tmp_path / "mine.csv", tmp_path / "true.csv", "classification", tmp_path / "out"
    )
    assert "without a true state" not in text
    assert findings(tmp_path / "out")[0]["details"]["classes"] == ["A", "NA", "None"]


def test_states_alone(tmp_path: Path) -> None:
    mine, true, table = state_files(tmp_path)
    table[["image", "state"]].to_csv(tmp_path / "alone.csv", index=False)
    text = validate_files(tmp_path / "alone.csv", true, "classification", tmp_path / "out")
    (finding,) = findings(tmp_path / "out")
    recalls = [(table.loc[table["truth"] == c, "state"] == c).mean() for c in ("fed", "starved")]
    assert finding["statistic"] == pytest.approx(np.mean(recalls))
    assert finding["statistic_name"] == "balanced accuracy"
    assert "No probabilities of all classes" in text
    del mine


# mistakes


def mistakes(case: str, folder: Path, truth: Path) -> tuple[Path, Path, str]:
    """Prediction, reference and task of a common mistake."""
    mine, other = folder / "mine", folder / "other"
    if case == "the folder above":
        shutil.copytree(truth, mine / "labels")
        shutil.copy(truth / "A_s1.tif", mine / "overview.png")
        return mine, truth, "instance"
    mine.mkdir()
    other.mkdir()
    table = table_of(truth)
    if case == "other names":
        tifffile.imwrite(mine / "nothing.tif", cells(0))
        return mine, truth, "instance"
    if case == "no images":
        (mine / "x.csv").write_text("a,b\n1,2\n")
        return mine, truth, "semantic"
    if case == "other columns":
        table.rename(columns={"x0_px": "xmin"}).to_csv(mine / "b.csv", index=False)
        return mine / "b.csv", truth, "detection"
    if case == "turned boxes":
        table.assign(x1_px=0).to_csv(mine / "b.csv", index=False)
        return mine / "b.csv", truth, "detection"
    if case == "other images":
        table.assign(image="q.tif").to_csv(mine / "b.csv", index=False)
        return mine / "b.csv", truth, "detection"
    if case == "yolo alone":
        table.to_csv(mine / "b.csv", index=False)
        (other / "A_s1.txt").write_text("0 0.5 0.5 0.1 0.1\n")
        return mine / "b.csv", other, "detection"
    if case == "boxes for outlines":
        (other / "c.json").write_text(
            json.dumps(
                {
                    "images": [{"id": 1, "file_name": "A_s1.tif", "height": 60, "width": 70}],
                    "annotations": [
                        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}
                    ],
                    "categories": [{"id": 1, "name": "cell"}],
                }
            )
        )
        return truth, other / "c.json", "instance"
    said = pd.DataFrame({"image": ["a", "b"], "state": ["x", "y"]})
    said.to_csv(other / "t.csv", index=False)
    if case == "no state":
        said.rename(columns={"state": "class"}).to_csv(mine / "s.csv", index=False)
    elif case == "twice":
        pd.concat([said, said]).to_csv(mine / "s.csv", index=False)
    else:
        said.assign(image=["c", "d"]).to_csv(mine / "s.csv", index=False)
    return mine / "s.csv", other / "t.csv", "classification"


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("the folder above", "holds no label images, labels/ in it does. Give"),
        ("other names", r"no file name in common \(such as nothing.tif and A_s1\)"),
        ("no images", r"holds no label images \(only .csv\)"),
        ("other columns", "has no column 'x0_px'; it has image, field_id, time_index, xmin"),
        ("turned boxes", "row 0 is no box: .* x1 >= x0"),
        ("other images", "no image in common: q.tif and A_s1. The column image"),
        ("yolo alone", "relative to images that are not beside it .* Put images/ beside"),
        (
            "boxes for outlines",
            "holds boxes, and this task compares outlines. Use --task detection",
        ),
        ("no state", "has no column 'state'; it has image, class"),
        ("twice", "names image 'a' twice. Keep one row each"),
        ("other rows", "have no image in common: 'c' and 'a'"),
    ],
)
def test_mistakes_are_refused_with_advice(
    case: str, told: str, truth: Path, tmp_path: Path
) -> None:
    prediction, reference, task = mistakes(case, tmp_path, truth)
    with pytest.raises(LucyteError, match=told):
        validate_files(prediction, reference, task, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_refusals(truth: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown task 'instances', did you mean 'instance'"):
        validate_files(truth, truth, "instances", tmp_path / "out")
    with pytest.raises(UsageError, match="nowhere: no such file or folder"):
        validate_files(tmp_path / "nowhere", truth, "instance", tmp_path / "out")
    with pytest.raises(UsageError, match=r"--group-regex 'Q\(' is not a regular expression"):
        validate_files(truth, truth, "instance", tmp_path / "out", group_regex="Q(")
    with pytest.raises(UsageError, match="--group-regex 'Q' catches nothing in 'A_s1'"):
        validate_files(truth, truth, "instance", tmp_path / "out", group_regex="Q")


def test_real_fields_against_themselves(shared_data: Path, tmp_path: Path) -> None:
    fields = sorted((shared_data / "cellular" / "boxes").glob("Timepoint_001*C0*.txt"))
    rows = []
    for path in fields:
        for line in path.read_text().splitlines():
            _, x, y, w, h = map(float, line.split())
            cut = np.clip([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 0, 1) * 2048
            box = dict(zip(("x0_px", "y0_px", "x1_px", "y1_px"), cut.tolist(), strict=True))
            rows.append({"image": f"{path.stem}.jpg", **box, "score": 0.5})
    assert len(rows) > 1000
    pd.DataFrame(rows).to_csv(tmp_path / "mine.csv", index=False)
    text = validate_files(
        tmp_path / "mine.csv", shared_data / "cellular", "detection", tmp_path / "out"
    )
    table = scores(tmp_path / "out")
    seen = table[table["found"] > 0]
    assert len(seen) == len(fields) and seen["F1@0.5"].min() == 1.0
    assert f"{43 - len(fields)} of 43 images of the reference have no box" in text
