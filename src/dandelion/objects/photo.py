"""Keys of a prediction's photo: by day in the data lake, for people and expiry; and frozen for training."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


def photo_key(prediction_id: str, suffix: str) -> str:
    """The key of a prediction's photo; the id contains the day."""
    created = datetime.fromtimestamp((uuid.UUID(prediction_id).int >> 80) / 1000, UTC)
    return f"predicted/{created:%Y/%m/%d}/{prediction_id}{suffix}"


def frozen_key(prediction_id: str, suffix: str) -> str:
    """The key of the photo's copy in `processed-data`, which dataset versions name."""
    return f"photos/feedback/{prediction_id}{suffix}"
