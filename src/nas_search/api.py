"""The search as a Python function: everything that the command line does, without the terminal."""

from pathlib import Path
from typing import Any

from nas_search.errors import MEND_IT, RunError, system_refusal
from nas_search.results.report import write_report
from nas_search.results.report.live import LiveReport
from nas_search.results.winner import write_winner
from nas_search.search.config import MAY_CHANGE, SearchConfig, content_hash
from nas_search.search.events import Observer, SilentObserver
from nas_search.search.run import run_search
from nas_search.search.study import Study

RUNS = Path("runs")


def search(
    config: SearchConfig | None = None,
    /,
    *,
    run: str | Path | None = None,
    observer: Observer | None = None,
    **fields: Any,
) -> Study:
    """Run a search, or resume it if its run directory is there, and return its study.

    Give a :class:`SearchConfig`, its fields as keywords, or both (keywords win): ``search(device="cpu", trials=24)``.
    ``run`` is the run directory; without it the directory is named after the configuration. The report and the winner
    are written there. Raises InputError for bad input and RunError if the run fails.
    """
    given = {} if config is None else config.model_dump(exclude_unset=True)
    checked = SearchConfig.checked({**given, **fields}, "search")
    directory = Path(run) if run is not None else default_run_directory(checked)
    return run_study(checked, directory, observer or SilentObserver())


def run_study(config: SearchConfig, directory: Path, observer: Observer) -> Study:
    """Run or resume the search in ``directory``; its report is written there meanwhile, then its winner."""
    live = LiveReport(observer, directory)
    try:
        study = run_search(config, directory, live)
        winner = study.winner()
        elsewhere = winner and study.weights_elsewhere(winner)
        if elsewhere:
            observer.note(f"the winner's weights are where it was confirmed: {elsewhere}")
        elif winner is not None:
            write_winner(study)
        write_report(study)
    except OSError as error:
        live.stopped()
        raise RunError(f"{directory}: {system_refusal(error)}; {MEND_IT}") from None
    except BaseException:
        live.stopped()
        raise
    return study


def default_run_directory(config: SearchConfig) -> Path:
    """``runs/<space>-<device>-<hash>``: the same search has the same directory, so the same command resumes it."""
    what = content_hash(config.model_dump(mode="json", exclude=set(MAY_CHANGE)))
    return RUNS / f"{Path(config.space).stem}-{config.device}-{what[:8]}"
