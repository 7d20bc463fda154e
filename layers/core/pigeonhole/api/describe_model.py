"""What the classifier runs, asked by functions/api and told by functions/classify: deep health, the deployed models."""

from __future__ import annotations

from pigeonhole.contract.messages import DescribeCommand, error_of
from pigeonhole.contract.service import ModelInfo
from pigeonhole.ports import ClassifierClient


class ModelDescriber:
    """The service behind `GET /v1/models` and `GET /v1/health?deep=true`."""

    def __init__(self, *, classifier: ClassifierClient) -> None:
        self._classifier = classifier

    def describe(self, log_id: str) -> ModelInfo:
        """Describe the deployed model. Raises what ClassifierClient.call raises."""
        reply = self._classifier.call(DescribeCommand(log_id=log_id))
        if reply.model is None:
            raise error_of(reply)
        model = reply.model
        return ModelInfo(
            id=model.model_id,
            revision=model.revision,
            engine=model.engine,
            text_encoder=model.text_encoder,
            licence=model.licence,
            calibrated=model.calibrated,
            input_pixels=model.input_pixels,
            max_text_tokens=model.max_text_tokens,
        )
