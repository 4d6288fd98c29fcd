"""Who asks, what they may, and how often."""

from dandelion.access.caller import ANONYMOUS, Caller
from dandelion.access.gate import Gate
from dandelion.access.limits import RateLimiter, Standing
from dandelion.access.origin import SAFE_METHODS, is_foreign

__all__ = ["ANONYMOUS", "SAFE_METHODS", "Caller", "Gate", "RateLimiter", "Standing", "is_foreign"]
