"""What the classifier runs, asked by functions/api and told by functions/classify: deep health, the deployed models."""

from __future__ import annotations

from pigeonhole.api.classify_now import error_of
from pigeonhole.contract.messages import DescribeCommand, ModelDescription
from pigeonhole.contract.service import ModelInfo
from pigeonhole.ports import ClassifierClient, EncoderInfo


class DescribeModel:
    """The service behind `GET /v1/models` and `GET /v1/health?deep=true`."""

    def __init__(self, classifier: ClassifierClient) -> None:
        self._classifier = classifier

    def __call__(self, log_id: str) -> ModelInfo:
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


def describe(encoder: EncoderInfo, sentence: EncoderInfo, *, calibrated: bool) -> ModelDescription:
    """Describe a loaded model: `encoder` of images and texts, `sentence` of texts against texts."""
    return ModelDescription(
        model_id=encoder.model_id,
        revision=encoder.revision,
        engine=encoder.engine,
        text_encoder=sentence.model_id,
        licence=encoder.licence,
        calibrated=calibrated,
        input_pixels=encoder.image_side,
        max_text_tokens=sentence.max_text_tokens,
    )
