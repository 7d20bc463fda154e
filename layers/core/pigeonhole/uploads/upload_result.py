"""The result of an uploaded file, as the table stores it."""

from __future__ import annotations

from dataclasses import dataclass

from pigeonhole.contract.upload_results import UploadResult


@dataclass(frozen=True)
class ObjectResult:
    """What became of one object. `sequencer`: as `to_sortable_sequencer` gives it; `at`: seconds since 1970, UTC; `expires_at`:
    when the table may forget it.

    One of a later upload takes the place of one that came before, whichever is known first.
    """

    tenant_id: str
    sequencer: str
    at: float
    expires_at: int
    told: UploadResult

    @property
    def key(self) -> str:
        return self.told.key

    def may_replace(self, known: ObjectResult | None) -> bool:
        """Whether it is of a later upload than `known`; or of the same one, and that very result once more or a better one."""
        if known is None or known.sequencer < self.sequencer:
            return True
        is_again = known.told.job_id == self.told.job_id or known.told.status == "failed"
        return known.sequencer == self.sequencer and is_again
