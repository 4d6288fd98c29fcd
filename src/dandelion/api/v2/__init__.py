"""The Open Inference Protocol (version 2 of KServe's, with Triton's extensions) over REST."""

from dandelion.api.v2.routes import router
from dandelion.api.v2.tensors import LENGTH_HEADER

__all__ = ["LENGTH_HEADER", "router"]
