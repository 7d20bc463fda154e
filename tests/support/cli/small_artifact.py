"""An artifact folder without a model, for commands that only look at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pigeonhole.inference.encoders import artifact, source
from pigeonhole.inference.encoders.artifact import ArtifactInfo, FileFacts, ModelFacts, TextSpec
from pigeonhole.inference.encoders.image_spec import ImageSpec

FILES = sorted(artifact.REQUIRED_FILES)


def write_artifact(folder: Path, model_id: str = "tiny", **properties: Any) -> ArtifactInfo:
    """Write an artifact folder whose files hold no model. `properties` are further ones of its ArtifactInfo."""
    folder.mkdir(parents=True)
    files: dict[str, FileFacts] = {}
    for name in FILES:
        (folder / name).write_bytes(b"x" * 1_000_000)
        files[name] = FileFacts.from_file(folder / name)
    facts = ModelFacts(
        model_id=model_id,
        revision="0123456789abcdef",
        licence="MIT",
        dim=4,
        logit_scale=1.0,
        logit_bias=0.0,
        activation="softmax",
        templates=("{}",),
        text=TextSpec(max_tokens=8, pad_to="longest", pad_id=0, pooling="mean"),
        image=ImageSpec(side=8, resize="squash", edge=8, resample="bicubic", mean=(0, 0, 0), std=(1, 1, 1)),
        image_patches=1,
    )
    sentence_source = source.find_sentence()
    content = ArtifactInfo(
        kind="image-tower",
        reading=source.READING_VERSION,
        hub_revision="main",
        sentence_digest=sentence_source.digest,
        encoder=facts,
        sentence=facts.model_copy(update={"model_id": sentence_source.model_id}),
        one_text_model=True,
        files=files,
        **properties,
    )
    artifact.write_info(folder, content)
    return content
