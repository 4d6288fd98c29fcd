"""The photos in the tensors of a request: encoded in `image`, or prepared by the client in `pixels`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dandelion.api.v2.messages import InputTensor
from dandelion.api.v2.tensors import unpack_elements
from dandelion.domain import InputSpec
from dandelion.domain.arrays import Pixels
from dandelion.errors import TensorError, UploadTooLargeError
from dandelion.imaging import PreparedPhoto

IMAGE, PIXELS = "image", "pixels"
FORMS = "Send `image` as BYTES of shape [N], or `pixels` as UINT8 of shape [N, height, width, 3]."


def check_input(inputs: Sequence[InputTensor], spec: InputSpec, max_photos: int) -> InputTensor:
    """The one input of a request, refused by its description alone where its elements cannot mend that.

    Args:
        inputs: The inputs as the request describes them.
        spec: The model's input; `pixels` must be of its size.
        max_photos: Maximum number of photos.

    Raises:
        TensorError: There is not exactly one that the model takes.
        UploadTooLargeError: It has too many photos.
    """
    if len(inputs) != 1 or inputs[0].name not in {IMAGE, PIXELS}:
        names = ", ".join(repr(each.name[:40]) for each in inputs[:5]) or "none"
        raise TensorError(f"The model takes one input, `image` or `pixels`; sent: {names}.", FORMS)
    tensor = inputs[0]
    wanted = "BYTES" if tensor.name == IMAGE else "UINT8"
    if tensor.datatype != wanted:
        raise TensorError(
            f"`{tensor.name}` has datatype {tensor.datatype[:20]!r}, and the model takes {wanted}.", FORMS
        )
    frame = [spec.height, spec.width, 3]
    # Clients that batch by themselves send a column of photos.
    if tensor.shape[1:] not in ([[], [1]] if tensor.name == IMAGE else [frame]) or not tensor.shape:
        form = "[N]" if tensor.name == IMAGE else f"[N, {spec.height}, {spec.width}, 3]"
        raise TensorError(
            f"`{tensor.name}` has shape {tensor.shape}, and the model takes {form}.",
            "Send photos of another size encoded, as `image`." if tensor.name == PIXELS else FORMS,
        )
    if not tensor.shape[0]:
        raise TensorError("The request has no photo.", FORMS)
    if tensor.shape[0] > max_photos:
        raise UploadTooLargeError(
            f"More than {max_photos} photos in one request.",
            "Send several requests, or raise DANDELION_API__MAX_FILES.",
        )
    if tensor.parameters and tensor.parameters.shared_memory_region:
        raise TensorError("Shared memory is not supported.", "Send the tensor itself.")
    return tensor


def unpack_photos(tensor: InputTensor, data: memoryview) -> list[bytes]:
    """The photos of an input whose elements are binary.

    Raises:
        TensorError: The bytes do not fit the shape.
    """
    if tensor.name == IMAGE:
        return unpack_elements(data, tensor.shape[0])
    return split_pixels(tensor, np.frombuffer(data, dtype=np.uint8))


def split_pixels(tensor: InputTensor, values: Pixels) -> list[bytes]:
    """The photos of `pixels`, whose flat elements are `values`, uint8 [N * H * W * 3]; they hold on to none of them.

    Raises:
        TensorError: There are fewer or more than the shape tells.
    """
    if values.size != math.prod(tensor.shape):
        raise TensorError(f"`pixels` has {values.size} elements, and its shape is {tensor.shape}.", FORMS)
    return [PreparedPhoto.copy(each) for each in values.reshape(tensor.shape)]
