"""Optuna's storage for several drivers: whoever writes to a trial must have it, in the same moment.

Optuna asks ``check_trial_is_updatable`` in the transaction of every write to a trial, and makes new ones in
``_get_prepared_new_trial``. Both are done together with a change of our own tables here, so either all of it happens
or nothing, however late a driver comes that was suspended meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import insert, select, update

from nas_search.search.storage.tables import ARCHITECTURES, TRIALS, upsert
from nas_search.search.taken import ArchitectureTakenError, LeaseLostError, ProposalTakenError
from nas_search.space.genome import Choice

if TYPE_CHECKING:
    from optuna.storages._rdb import models
    from sqlalchemy.orm import Session


class FencedStorage(RDBStorage):
    """The storage of one driver, whose name in our tables is ``driver``."""

    def __init__(self, url: str, engine_kwargs: dict[str, Any], driver: str) -> None:
        self._driver, self._expected = driver, 0
        super().__init__(url, engine_kwargs)

    def expect(self, number: int) -> None:
        """The next trial to be made must get this number. Otherwise there are trials that the driver has not seen."""
        self._expected = number

    def _get_prepared_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None, session: Session
    ) -> models.TrialModel:
        """A new trial, which is the driver's. Raises ProposalTakenError if it has not the number that was expected."""
        trial = super()._get_prepared_new_trial(study_id, template_trial, session)
        if trial.number != self._expected:
            raise ProposalTakenError(self._expected)
        session.execute(insert(TRIALS).values(trial_id=trial.trial_id, study_id=study_id, driver=self._driver))
        return trial

    def check_trial_is_updatable(self, trial_id: int, trial_state: TrialState) -> None:
        """Raises LeaseLostError if the trial is another driver's. An update, since SQLite locks nothing for less."""
        kept = (
            update(TRIALS)
            .where(TRIALS.c.trial_id == trial_id, TRIALS.c.driver == self._driver)
            .values(driver=self._driver)
        )
        if self._session().execute(kept).rowcount == 0:  # type: ignore[attr-defined]
            raise LeaseLostError(trial_id)
        super().check_trial_is_updatable(trial_id, trial_state)

    def set_claimed_attr(self, trial: FrozenTrial, study_id: int, fingerprint: str, key: str, value: Any) -> None:
        """Set a trial's attribute, and claim an architecture for it.

        Raises ArchitectureTakenError if another trial has that, LeaseLostError if the trial is another driver's.
        """
        session = self._session()
        mine = {"study_id": study_id, "fingerprint": fingerprint}
        claim = upsert(self.engine, ARCHITECTURES).values(**mine, number=trial.number).on_conflict_do_nothing()
        holder = select(ARCHITECTURES.c.number).filter_by(**mine)
        try:
            session.execute(claim)
            number = session.execute(holder).scalar_one()
            if number != trial.number:
                raise ArchitectureTakenError(number)
            self.set_trial_user_attr(trial._trial_id, key, value)
        except BaseException:
            session.rollback()
            session.close()
            raise

    def set_params(
        self, trial_id: int, params: Mapping[str, Choice], distributions: Mapping[str, BaseDistribution]
    ) -> None:
        """Set several parameters of a trial, or none of them."""
        session = self._session()
        try:
            for name, value in params.items():
                kind = distributions[name]
                self._set_trial_param_without_commit(session, trial_id, name, kind.to_internal_repr(value), kind, kind)
            session.commit()
        except BaseException:
            session.rollback()
            raise
        finally:
            session.close()

    def _session(self) -> Session:
        """That of this thread, in which Optuna's next write takes place too."""
        session: Session = self.scoped_session()
        return session
