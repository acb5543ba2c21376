"""LiteRT (or its predecessor tflite-runtime) behind one small class.

A classifier belongs to the thread that uses it: an interpreter is not thread-safe. Several crops
are shared out among interpreters, one to a thread; these are the classifier's own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bundle import BundleRefused, read_golden
from edge.types import Bundle, ConfigurationError, ImageRGB

# Interpreters at work at the same time when there are several crops, each with one thread: as
# many threads inside of one interpreter wait for each other at every layer, which on a machine
# with other work costs a third more processor time and is no sooner. Two leave cores to the
# camera's decoder and the broker. `slotwatch bench` measures, docs/benchmarks.md tells.
THREADS = min(2, len(os.sched_getaffinity(0)))
_AT_ONCE = 64  # crops that are shared out before the next ones are looked at
BUDGET_S = 0.1  # the original system's promise: one crop in under 100 ms on the device's CPU


Crops = Sequence[ImageRGB] | npt.NDArray[np.uint8]  # the latter (count, size, size, 3)


class RuntimeMissing(ConfigurationError):
    """No TensorFlow Lite runtime can be imported."""


def _litert() -> Any:
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter


def _tflite_runtime() -> Any:
    from tflite_runtime.interpreter import Interpreter

    return Interpreter


# The first that can be imported is used. Both offer the same `Interpreter`.
RUNTIMES: dict[str, Callable[[], Any]] = {
    "ai-edge-litert": _litert,
    "tflite-runtime": _tflite_runtime,
}


def load_runtime(name: str | None = None) -> tuple[str, Any]:
    """Return the name of a runtime and its `Interpreter` class.

    Raises:
        RuntimeMissing: the asked one (or, without a name, any) is not installed.
    """
    problems = []
    for candidate in [name] if name else RUNTIMES:
        try:
            return candidate, RUNTIMES[candidate]()
        except ImportError as error:
            problems.append(f"{candidate}: {error}")
    raise RuntimeMissing(
        "no TensorFlow Lite runtime; install ai-edge-litert (" + "; ".join(problems) + ")"
    )


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Leave out what the runtime tells every user on standard error, and nothing else.

    It writes past Python and has no switch, so the stream itself goes a detour.
    """
    with ExitStack() as stack:
        detour = os.memfd_create("standard-error", os.MFD_CLOEXEC)
        stack.callback(os.close, detour)
        original = os.dup(2)
        stack.callback(os.close, original)
        os.dup2(detour, 2)
        try:
            yield
        finally:
            os.dup2(original, 2)
            os.lseek(detour, 0, os.SEEK_SET)
            for line in os.read(detour, 1 << 16).splitlines(keepends=True):
                if not line.startswith(b"INFO: Created TensorFlow Lite"):
                    os.write(2, line)


OUTPUTS = ("probability", "attention", "embedding")
_NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the network says of one crop."""

    probability: float  # of OCCUPIED, 0..1
    attention: npt.NDArray[np.float32]  # (rows, columns): where OCCUPIED was seen, any range
    embedding: npt.NDArray[np.float32]  # (features,)


@dataclass(frozen=True)
class _Output:
    index: int
    scale: float
    zero_point: int

    def real(self, raw: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return what the tensor's numbers stand for."""
        if not self.scale:  # it is in floats already
            return np.asarray(raw, dtype=np.float32)
        steps = raw.astype(np.float32) - np.float32(self.zero_point)
        return np.asarray(steps * np.float32(self.scale))


class _Interpreter:
    """The model, loaded once, for one thread at a time."""

    def __init__(self, bundle: Bundle, model: bytes, runtime: str, interpreter_class: Any) -> None:
        """Load the model; errors as of `Classifier`."""
        try:
            with _without_chatter():
                self._interpreter = interpreter_class(model_content=model, num_threads=1)
                self._interpreter.allocate_tensors()
            (source,) = self._interpreter.get_input_details()
        except (ValueError, RuntimeError) as error:
            raise BundleRefused(
                f"{bundle.model_path}: {runtime} cannot load it ({error}); train it again"
            ) from error
        size_px = bundle.input_size_px
        shape, kind = tuple(map(int, source["shape"])), source["dtype"]
        if shape != (1, size_px, size_px, 3) or kind is not np.uint8:
            raise BundleRefused(
                f"{bundle.model_path}: takes {np.dtype(kind).name} {shape}, bundle.json promises "
                f"uint8 (1, {size_px}, {size_px}, 3); train it again"
            )
        self._input = source["index"]
        self._outputs = self._find_outputs(bundle)

    def _find_outputs(self, bundle: Bundle) -> dict[str, _Output]:
        details = {d["name"]: d for d in self._interpreter.get_output_details()}
        outputs = {}
        for name in bundle.output_names:
            promised = bundle.manifest["outputs"][name]
            detail = details.get(promised["tensor"])
            is_single = name != "probability" or promised["shape"] == [1, 1]
            shape = None if detail is None else [int(length) for length in detail["shape"]]
            if detail is None or shape != promised["shape"] or not is_single:
                raise BundleRefused(
                    f"{bundle.model_path}: output '{name}' ({promised['tensor']}) is not in "
                    "the model as bundle.json promises; train it again"
                )
            scale, zero_point = detail["quantization"]
            outputs[name] = _Output(detail["index"], float(scale), int(zero_point))
        return outputs

    def put(self, crop_rgb: ImageRGB) -> Callable[[], None]:
        """Take a crop, uint8 (size, size, 3); return what makes the outputs of it."""
        self._interpreter.set_tensor(self._input, crop_rgb[None])
        invoke: Callable[[], None] = self._interpreter.invoke
        return invoke

    def predict(self, crop_rgb: ImageRGB, names: Collection[str]) -> Prediction:
        """Return these outputs for a crop; those that the model does not have are empty."""
        self.put(crop_rgb)()
        found = {name: self._read(name) for name in names if name in self._outputs}
        attention = found.get("attention", _NOTHING)
        if attention.ndim == 3:
            # Not a plain squeeze: a map of one place is still a map.
            attention = attention[:, :, 0]
        return Prediction(found["probability"].item(), attention, found.get("embedding", _NOTHING))

    def _read(self, name: str) -> npt.NDArray[np.float32]:
        """Return an output in real units, without the batch axis."""
        output = self._outputs[name]
        return output.real(self._interpreter.get_tensor(output.index)[0])


class Classifier:
    """One model, and as many interpreters of it as threads may work at the same time."""

    def __init__(self, bundle: Bundle, threads: int = THREADS, runtime: str | None = None) -> None:
        """Load the bundle's model; run `self_test` before trusting it.

        Raises:
            RuntimeMissing: no runtime is installed.
            BundleRefused: the runtime cannot load the model, or its shapes do not fit.
        """
        self.bundle = bundle
        self.threads = threads
        self.runtime, interpreter_class = load_runtime(runtime)
        try:
            # Not by its path: a file that is mapped into memory may be overwritten there.
            model = bundle.model_path.read_bytes()
        except OSError as error:
            raise BundleRefused(
                f"{bundle.model_path}: cannot be read ({error}); copy the bundle again"
            ) from error
        self._interpreters = [
            _Interpreter(bundle, model, self.runtime, interpreter_class) for _ in range(threads)
        ]
        # The first interpreter is that of the caller's thread. Threads begin with the first work.
        self._pool = ThreadPoolExecutor(max(1, threads - 1), thread_name_prefix="inference")

    def predict(self, crop_rgb: ImageRGB) -> Prediction:
        """Return every output for a uint8 (size, size, 3) crop; missing outputs are empty."""
        return self._interpreters[0].predict(crop_rgb, OUTPUTS)

    def predict_all(
        self, crops_rgb: Crops, names: Collection[str] = OUTPUTS
    ) -> Iterator[Prediction]:
        """Yield what `predict` gives, for one crop after the other; all threads work on it.

        Only the outputs of these names, "probability" among them, are read; others are empty.
        """
        for start in range(0, len(crops_rgb), _AT_ONCE):
            yield from self._share_out(crops_rgb[start : start + _AT_ONCE], names)

    def _share_out(self, crops_rgb: Crops, names: Collection[str]) -> list[Prediction]:
        # Each takes the next crop when it is done with one: no core waits for a busier one. The
        # interpreter's lock gives every number of a range to one thread only.
        waiting = iter(range(len(crops_rgb)))
        found: dict[int, Prediction] = {}

        def work(interpreter: _Interpreter) -> None:
            for number in waiting:
                found[number] = interpreter.predict(crops_rgb[number], names)

        own, *others = self._interpreters[: len(crops_rgb)]
        helped = [self._pool.submit(work, interpreter) for interpreter in others]
        try:
            work(own)
        finally:
            wait(helped)  # before an interpreter is used again, whatever happened here
        for each in helped:
            each.result()
        return [found[number] for number in range(len(crops_rgb))]

    def probability(self, crop_rgb: ImageRGB) -> float:
        """Return the probability of OCCUPIED, 0..1, for a uint8 (size, size, 3) crop."""
        return self._interpreters[0].predict(crop_rgb, ["probability"]).probability

    def bare_invoke(self, crop_rgb: ImageRGB) -> Callable[[], None]:
        """Return an interpreter's own `invoke`, this crop in its input.

        What every figure of speed is compared with.
        """
        return self._interpreters[0].put(crop_rgb)

    def self_test(self, budget_s: float = BUDGET_S) -> float:
        """Replay the golden crops; return the median time of one inference in seconds.

        Raises:
            BundleRefused: an answer differs beyond the bundle's tolerance, or takes too long.
        """
        golden = read_golden(self.bundle)
        durations = []
        for interpreter in self._interpreters:
            for crop, expected, name in zip(
                golden.crops_rgb, golden.probability, golden.names, strict=True
            ):
                start = time.perf_counter()
                answer = interpreter.predict(crop, ["probability"]).probability
                durations.append(time.perf_counter() - start)
                if not abs(answer - float(expected)) <= self.bundle.golden_tolerance:
                    raise BundleRefused(
                        f"{self.bundle.model_path}: golden crop '{name}' gives {answer:.3f} on "
                        f"this device, the trainer saw {float(expected):.3f} (tolerance "
                        f"{self.bundle.golden_tolerance:g}); the runtime {self.runtime} does not "
                        "run this model right"
                    )
        median_s = sorted(durations)[len(durations) // 2]
        if median_s > budget_s:
            raise BundleRefused(
                f"{self.bundle.model_path}: one inference takes {median_s * 1000:.0f} ms on this "
                f"device, the budget is {budget_s * 1000:.0f} ms; train a smaller recipe"
            )
        return median_s


def open_classifier(
    bundle: Bundle, threads: int = THREADS, runtime: str | None = None
) -> Classifier:
    """Return a classifier that passed its self-test.

    Raises:
        RuntimeMissing, BundleRefused: see `Classifier`.
    """
    classifier = Classifier(bundle, threads, runtime)
    classifier.self_test()
    return classifier
