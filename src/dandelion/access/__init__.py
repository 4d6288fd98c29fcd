"""Authentication, scopes and rate limits."""

from dandelion.access.authenticator import Authenticator
from dandelion.access.caller import ANONYMOUS, Caller
from dandelion.access.limits import RateLimiter, RateLimitStatus
from dandelion.access.origin import SAFE_METHODS, is_foreign

__all__ = ["ANONYMOUS", "SAFE_METHODS", "Authenticator", "Caller", "RateLimitStatus", "RateLimiter", "is_foreign"]
