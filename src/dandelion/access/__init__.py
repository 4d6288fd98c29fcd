"""Who asks, what they may, and how often."""

from dandelion.access.caller import ANONYMOUS, Caller
from dandelion.access.gate import Gate
from dandelion.access.limits import RateLimiter, Standing

__all__ = ["ANONYMOUS", "Caller", "Gate", "RateLimiter", "Standing"]
