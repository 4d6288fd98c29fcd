"""`model.json`: everything that a serving process must know before it runs the graph."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dandelion.domain import LABEL_LENGTH, InputSpec, class_name


def _normalise(name: object) -> object:
    return class_name(name) if isinstance(name, str) else name


# Normalised first, since its length is limited by the column that stores it.
_ClassName = Annotated[str, Field(min_length=1, max_length=LABEL_LENGTH), BeforeValidator(_normalise)]


class Manifest(BaseModel):
    """The manifest of a package.

    Attributes:
        format_version: Layout of the package; newer layouts are refused.
        architecture: timm model name.
        input: How a photo becomes the model's input.
        classes: Labels in the order of the logits.
        background: The class of a photo that shows none of the others, such as grass; None if there is no such class.
        temperature: Logits are divided by it before softmax (Guo et al. 2017).
        outlier_threshold: Photos with a higher outlier score are out of distribution.
        dataset_digest: SHA-256 of the dataset manifest that the model was trained on.
        code_version: Version of Dandelion that created the package.
        created_at: When the model was trained, UTC; None in older packages.
        precisions: Graphs in the package, `float32` always and `int8` when it passed its parity check.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    architecture: str
    input: InputSpec
    classes: Annotated[tuple[_ClassName, ...], Field(min_length=2)]
    background: _ClassName | None = None
    temperature: Annotated[float, Field(gt=0)]
    outlier_threshold: Annotated[float, Field(gt=0)]
    dataset_digest: str
    code_version: str
    created_at: datetime | None = None
    precisions: tuple[Literal["float32", "int8"], ...] = ("float32",)

    @model_validator(mode="after")
    def _classes_are_distinct(self) -> Manifest:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes repeat: {self.classes}")
        if self.background is not None and self.background not in self.classes:
            raise ValueError(f"the background {self.background!r} is none of the classes {self.classes}")
        return self

    @property
    def background_index(self) -> int | None:
        """The background's place among the classes."""
        return None if self.background is None else self.classes.index(self.background)
