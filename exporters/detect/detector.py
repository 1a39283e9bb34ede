"""What every detector is: something that looks at a batch of attempts and says what they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from events.batch import Detection, EventBatch
from exporters.detect.model import Rule


class Detector(Protocol):
    """Looks at the texts or the columns of attempts. It keeps no batch: the texts do not live that long."""

    @property
    def rules(self) -> Sequence[Rule]:
        """The content rules that it looks for; none if it has no rules."""
        ...

    def detect(self, batch: EventBatch) -> list[Detection]:
        """What the attempts of a batch show, by their rows. Each row's result does not depend on the other rows.

        Whatever it raises is counted as a fault of the rows that raise by themselves.
        """
        ...

    def take_skipped(self) -> Mapping[str, int]:
        """What was too much to look at since the last call, by reason (see `spec.vocabulary.MATCHES_SKIPPED`)."""
        ...
