"""Where a prediction's photo lies: in the data lake by day, so that people and expiry find it; frozen for training."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


def photo_key(prediction_id: str, suffix: str) -> str:
    """The key of the photo of a prediction; its id tells the day."""
    made = datetime.fromtimestamp((uuid.UUID(prediction_id).int >> 80) / 1000, UTC)
    return f"predicted/{made:%Y/%m/%d}/{prediction_id}{suffix}"


def frozen_key(prediction_id: str, suffix: str) -> str:
    """The key of its copy in `processed-data`, which dataset versions name."""
    return f"photos/feedback/{prediction_id}{suffix}"
