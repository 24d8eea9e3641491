"""Passwords of storages: in no file, message, log or report."""

import logging
import sys
import time
from pathlib import Path

import pytest

from nas_search.cli.main import main
from nas_search.errors import InputError
from nas_search.search.config import SearchConfig
from nas_search.yaml_text import parse_yaml

SECRET = "s3cr3t-Pa55"
NOBODY = f"postgresql://me:{SECRET}@127.0.0.1:1/studies"


def outcome(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["nas-search", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("NAS_SEARCH_STORAGE", raising=False)


@pytest.mark.parametrize(
    "url",
    [
        NOBODY,
        f"postgresql://me:{SECRET}@127.0.0.1:1",
        f"postgresql:/me:{SECRET}@h/d",
        f"me:{SECRET}@h/d",
        f"mysql://me:{SECRET}@h/d",
        f"postgresql://me:{SECRET}@x@h/d",
        f"postgresql://me:{SECRET}@h:port/d",
        f"postgresql://h/d?password={SECRET}",
        f"sqlite://me:{SECRET}@h/d",
        f"postgresql://me:{SECRET}@h/d\n",
        f"postgresql://me:{SECRET}@[::1/d",
    ],
)
@pytest.mark.parametrize("how", ["option", "environment", "configuration"])
def test_no_command_tells_it(
    url: str,
    how: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    arguments = ["--trials", "1", "--run", "run", "--table", "no.parquet"]
    if how == "environment":
        monkeypatch.setenv("NAS_SEARCH_STORAGE", url)
    elif how == "configuration":
        Path("config.yaml").write_text(f'storage: "{url.strip()}"\n')
        arguments += ["--config", "config.yaml"]
    else:
        arguments += ["--storage", url]
    assert outcome(monkeypatch, *arguments) in {1, 2}
    said = capfd.readouterr()
    assert SECRET not in said.out + said.err + caplog.text
    kept = [path for path in Path().rglob("*") if path.is_file() and path.name != "config.yaml"]
    assert not [path for path in kept if SECRET.encode() in path.read_bytes()]


def test_a_configuration_holds_none() -> None:
    config = SearchConfig.checked({"storage": NOBODY})
    assert SECRET not in config.to_yaml() + repr(config) + config.model_dump_json()
    assert SECRET not in str(config.resolved())


@pytest.mark.parametrize(
    "text", [f"storage: {NOBODY}: x", f"a: [\nstorage: {NOBODY}", f"'storage: {NOBODY}", f"\t{NOBODY}"]
)
def test_a_line_that_is_no_yaml_is_not_repeated(text: str) -> None:
    with pytest.raises(InputError, match=r"config\.yaml: not YAML: .*line \d, column \d") as caught:
        parse_yaml(text, "config.yaml")
    assert SECRET not in str(caught.value)


def test_a_value_that_is_no_text_is_not_repeated() -> None:
    for value in ([NOBODY], {"url": NOBODY}, NOBODY.encode() + b"\xff"):
        with pytest.raises(InputError) as caught:
            SearchConfig.checked({"storage": value})
        assert SECRET not in str(caught.value)


def test_a_whole_search_keeps_it_to_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With a file in the place of a server, in an environment that has a password for all that asks."""
    from search_fakes import Bench, FakeTable

    monkeypatch.setenv("PGPASSWORD", SECRET)
    for module in ("table_stage", "study", "latency_source"):
        monkeypatch.setattr(f"nas_search.search.{module}.LatencyTable", FakeTable)
    bench = Bench(tmp_path)
    study = bench.run("run", trials=2, storage=f"sqlite:///{tmp_path}/study.db")
    with_secret = [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    said = capfd.readouterr()
    assert not with_secret and SECRET not in said.out + said.err
    assert study.records()


def test_no_child_inherits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    from nas_search.child_process import start_child, stop_child

    monkeypatch.setenv("NAS_SEARCH_STORAGE", NOBODY)
    monkeypatch.setenv("PGPASSWORD", SECRET)
    child = start_child("code")  # it waits for what we type
    try:
        deadline = time.monotonic() + 60
        # The kernel shows none for a moment, while the new program is being set up.
        while not (environment := psutil.Process(child.pid).environ()) and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        stop_child(child)
    assert "PYTHONPATH" in environment and SECRET not in str(environment)
