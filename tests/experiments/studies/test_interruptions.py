"""Studies that end early, and what they leave."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from toy_studies import analysed, copied, load, shards_of, trained

from nas_search.errors import InputError, RunError


def test_an_interrupted_study_goes_on_and_repeats_nothing(toy: Any, tmp_path: Path) -> None:
    networks = {"one": "w32 a f", "two": "w32 d f"}
    folder = toy("operators", networks=networks, comparisons=[["one", "two"]], tokens=[64, 128], seeds=[0, 1])
    with pytest.raises(KeyboardInterrupt):
        trained(folder, "--jobs", "2", stop_at=5)
    before = shards_of(folder)
    assert 0 < len(before) < 4
    stamps = {path: path.stat().st_mtime_ns for path in (folder / "recorded" / "trainings").iterdir()}
    with pytest.raises(InputError, match=f"{len(before)} of 4 trainings are recorded"):
        load("analyse").main([str(folder)])
    trained(folder, "--jobs", "2", stop_at=3)  # eight jobs in all
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    assert not list((tmp_path / "work" / "checkpoints").iterdir())
    undisturbed = copied("operators", tmp_path / "again", lambda config: None)
    (undisturbed / "config.yaml").write_text((folder / "config.yaml").read_text())
    trained(undisturbed)
    assert shards_of(folder) == shards_of(undisturbed)


def test_a_damaged_shard_is_named(toy: Any) -> None:
    folder = toy("operators", networks={"one": "w32 a"}, comparisons=[])
    shards = folder / "recorded" / "trainings"
    shards.mkdir(parents=True)
    (shards / "0123456789abcdef.json").write_text('{"training"')
    with pytest.raises(InputError, match=r"0123456789abcdef\.json: damaged"):
        trained(folder)


def test_a_failed_training_is_recorded_and_not_tried_again(toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    folder = toy("operators", networks={"one": "w32 a f", "two": "w32 d f"}, comparisons=[["one", "two"]], seeds=[0, 1])
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["recipe"] |= {"learning_rate": 1e30, "clip_norm": 1e30}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    trained(folder)
    assert all(losses == [None] for losses in shards_of(folder).values())
    trained(folder, stop_at=0)
    document = analysed(folder, capsys)
    assert document["comparisons"]["one less two"]["mean"] is None
    assert not document["comparisons"]["one less two"]["significant"]


def test_a_job_that_fails_ends_the_study(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no such luck")

    monkeypatch.setattr("toy_studies.train", broken)
    folder = toy("operators", networks={"one": "w32 a"}, comparisons=[])
    with pytest.raises(RunError, match="w32 a: ValueError: no such luck"):
        trained(folder)


def test_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    script = load("script")

    def ends(error: BaseException) -> Any:
        def main() -> None:
            raise error

        return script.run_script(main)

    assert [script.run_script(lambda: None), ends(RunError("a\nb")), ends(InputError("c"))] == [0, 1, 2]
    assert ends(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err.splitlines()[:2] == ["a b", "c"]
