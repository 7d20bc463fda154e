"""Ask functions/classify which model it runs, for deep health and the list of models."""

from __future__ import annotations

from pigeonhole.contract.commands import DescribeCommand, ModelDescription
from pigeonhole.ports import ClassifierClient


class ModelDescriber:
    """The service behind `GET /v1/models` and `GET /v1/health?deep=true`."""

    def __init__(self, *, classifier: ClassifierClient) -> None:
        self._classifier = classifier

    def describe(self, log_id: str) -> ModelDescription:
        """Describe the deployed model.

        Raises:
            PigeonholeError: What `ClassifierClient.call` raises, or the classifier's own error.
        """
        reply = self._classifier.call(DescribeCommand(log_id=log_id))
        if reply.model is None:
            raise reply.to_error()
        return reply.model
