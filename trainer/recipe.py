"""What one training run does, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Literal, get_type_hints

from edge.empties import EmptyRule
from edge.types import ConfigurationError

# What of the backbone learns: nothing, the layers after `learns_after`, all of it, or all of it
# from random weights.
Transfer = Literal["head only", "last layers", "whole network", "from scratch"]

# What a split keeps together. "auto": per source, the coarsest that gives enough groups.
SplitBy = Literal["auto", "camera", "day", "slot", "source"]


@dataclass(frozen=True)
class Recipe:
    """One experiment. The files in `trainer/recipes/` each hold one."""

    name: str
    backbone: str = "mobilenet_v2_1.0"  # one of BACKBONES
    input_size_px: int = 128  # side of a crop
    seed: int = 1

    transfer: Transfer = "head only"
    learns_after: str | None = None  # "last layers": the last layer that stays as it came

    # What the network sees of a crop beside the crop itself, drawn once.
    views: int = 0  # augmented views of each crop
    garbage_share: float = 0.08  # of what is learned from: pictures of no slot
    imagined_crops: int = 0  # drawn slots, mixed in as one more source, "imagined"

    # The head, on the features of the backbone as it came.
    head_loss: Literal["logistic", "hinge"] = "logistic"
    head_c: float = 0.02  # inverse strength of its regularisation, as in scikit-learn

    # Fine-tuning, unless "head only".
    epochs: int = 4
    crops_per_epoch: int = 4096  # drawn anew each epoch, balanced over sources and labels
    plain_share: float = 0.15  # of these: as they were read; the others are augmented views
    batch_size: int = 32
    learning_rate: float = 5e-5  # after the warm-up, before the decay
    warm_up_share: float = 0.1  # of all steps
    weight_decay: float = 1e-4
    dropout: float = 0.2
    label_smoothing: float = 0.05
    average_decay: float = 0.99  # of the running average of the weights, which is what is kept
    # What is kept: the epoch with the best holdout loss, or the last one, where too little is
    # held out to choose by.
    keeps: Literal["best epoch", "last epoch"] = "best epoch"
    patience: int = 3  # "best epoch": epochs without a better holdout loss before stopping

    # So many runs with seeds of their own, made one network: the mean of their weights, or
    # one more network that learns what they say together.
    ensemble: int = 1
    ensemble_as: Literal["average", "distilled"] = "average"

    # Shares of each source's groups that training never sees.
    holdout_share: float = 0.15  # early stopping and calibration
    test_share: float = 0.15  # figures only
    # A source with fewer groups gives none to the test, if there is one with as many.
    test_from_groups: int = 3
    split_by: SplitBy = "auto"
    test_sources: tuple[str, ...] = ()  # all of the test, when there are any

    # Sources of which training gets every group, because they have so few.
    whole_sources: tuple[str, ...] = ()
    # Sources whose crops are upside-down mirror images of what a device cuts.
    mirrored_sources: tuple[str, ...] = ()

    # How often a source is drawn, relative to the others (1.0 when not listed).
    source_weights: Mapping[str, float] = field(default_factory=dict)
    # Licence of a source, where its index.csv does not say.
    licences: Mapping[str, str] = field(default_factory=dict)

    occupied_at: float = 0.6
    empty_at: float = 0.4
    representative_count: int = 300  # crops that calibrate the quantization
    # What the bundle says of a slot whose empty picture the device has; None: nothing.
    # `slotwatch-train compare` prints it: a training alone cannot know it.
    empty_rule: EmptyRule | None = None


def find_recipe(name: str) -> Recipe:
    """Return the recipe of this name.

    Raises:
        ConfigurationError: there is none; the message lists those there are.
    """
    from trainer.recipes import RECIPES

    try:
        return RECIPES[name]
    except KeyError:
        raise ConfigurationError(
            f"--recipe {name}: no such recipe; choose one of {', '.join(sorted(RECIPES))}"
        ) from None


def with_settings(recipe: Recipe, settings: list[str]) -> Recipe:
    """Return the recipe with `FIELD=VALUE` settings in place of its own.

    Raises:
        ConfigurationError: there is no such field, it is no single word or number, or the
            value does not fit it; the message says what would.
    """
    hints = get_type_hints(Recipe)
    plain = {
        name: hint for name in (f.name for f in fields(Recipe)) if not _is_many(hint := hints[name])
    }
    changes: dict[str, object] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or name not in plain:
            raise ConfigurationError(
                f"--set {setting}: write FIELD=VALUE with one of {', '.join(plain)}"
            )
        changes[name] = _value(setting, plain[name], text)
    return replace(recipe, **changes)  # type: ignore[arg-type]


def _is_many(hint: object) -> bool:
    if EmptyRule in getattr(hint, "__args__", ()):
        return True
    return getattr(hint, "__origin__", None) in (tuple, Mapping) or "Mapping" in str(hint)


def _value(setting: str, hint: object, text: str) -> object:
    words = getattr(hint, "__args__", ())
    if hint is int or hint is float:
        try:
            return hint(text)
        except ValueError:
            raise ConfigurationError(f"--set {setting}: '{text}' is no number") from None
    if all(isinstance(word, str) for word in words) and words and text not in words:
        raise ConfigurationError(f"--set {setting}: choose one of {', '.join(words)}")
    return text
