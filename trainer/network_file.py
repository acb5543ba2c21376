"""network.npz: the float network a bundle's model was quantized from.

For looking inside, with gradients and feature maps. The device never opens it, and a copy
of the bundle may leave it out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bundle import ARRAYS_UNREADABLE, NETWORK_FILE
from edge.types import Bundle, ConfigurationError
from trainer.backbones import BACKBONES
from trainer.bound import Bound
from trainer.network import Network

_SMALL_SIZE = 16384  # numbers


def save_network(file: Path, network: Network, backbone: str, input_size_px: int) -> None:
    """Write the network; `backbone` is its name in BACKBONES.

    Large kernels, nine tenths of the numbers, are kept as float16, which halves the file.
    Small ones stay float32: they are vectors and the kernels of the early layers, whose
    rounding every later layer amplifies (five times less change of the logit, measured).
    """
    arrays: dict[str, Any] = {
        f"weight_{position:04}": _halved(weight)
        for position, weight in enumerate(network.backbone.get_weights())
    }
    arrays["backbone"] = np.array(backbone)
    arrays["input_size_px"] = np.array(input_size_px)
    arrays["head_kernel"] = network.kernel
    arrays["head_bias"] = np.array(network.bias)
    if network.bound is not None:
        arrays["bound_kernel"] = network.bound.kernel
        arrays["bound_bias"] = np.array(network.bound.bias)
    np.savez_compressed(file, **arrays)


def _halved(weight: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return weight.astype(np.float16) if weight.size > _SMALL_SIZE else weight


def network_of_bundle(bundle: Bundle) -> Network:
    """Return the float network that the bundle's model was quantized from.

    Raises:
        ConfigurationError: the bundle came without it, or see `load_network`.
    """
    file = bundle.path / NETWORK_FILE
    if NETWORK_FILE not in bundle.manifest["files"]:
        # Without a hash in the manifest it might be another model's.
        raise ConfigurationError(
            f"{file}: not part of this bundle, which was trained before there was one; "
            "train the bundle again"
        )
    return load_network(file)


def load_network(file: Path) -> Network:
    """Return the network in this file.

    Raises:
        ConfigurationError: the file is missing, damaged or made by a newer trainer.
    """
    if not file.is_file():
        raise ConfigurationError(
            f"{file}: missing: the bundle was copied without it; copy it from where the bundle was "
            "trained, or train the bundle again"
        )
    try:
        # numpy leaves a file it opened itself open when it is no zip file.
        with file.open("rb") as handle, np.load(handle, allow_pickle=False) as arrays:
            name = str(arrays["backbone"])
            input_size_px = int(arrays["input_size_px"])
            kernel = np.asarray(arrays["head_kernel"], dtype=np.float32)
            bias = float(arrays["head_bias"])
            bound = None
            if "bound_kernel" in arrays:
                bound = Bound(
                    np.asarray(arrays["bound_kernel"], dtype=np.float32),
                    float(arrays["bound_bias"]),
                )
            weights = [arrays[key] for key in sorted(arrays) if key.startswith("weight_")]
    except ARRAYS_UNREADABLE as error:
        raise ConfigurationError(f"{file}: cannot be read ({error}); copy it again") from error
    if name not in BACKBONES:
        raise ConfigurationError(
            f"{file}: its backbone '{name}' is none of {', '.join(sorted(BACKBONES))}; "
            "update slotwatch or train the bundle again"
        )
    backbone = BACKBONES[name].build(input_size_px)
    try:
        backbone.set_weights([weight.astype(np.float32) for weight in weights])
    except ValueError as error:
        raise ConfigurationError(
            f"{file}: its weights are not those of '{name}' at {input_size_px} px; "
            "train the bundle again with this version"
        ) from error
    return Network(backbone, kernel, bias, bound)
