"""What the settings of a recipe may be: wrong ones are named before anything is read."""

from __future__ import annotations

from edge.types import ConfigurationError
from trainer.backbones import BACKBONES
from trainer.recipe import Recipe

# setting -> least, greatest
LIMITS: dict[str, tuple[float, float]] = {
    "input_size_px": (32, 512),
    "seed": (0, 2**31 - 1),  # numpy takes twice as many; an ensemble counts on from it
    "views": (0, 100),
    "garbage_share": (0, 0.9),
    "imagined_crops": (0, 1_000_000),
    "head_c": (1e-9, 1e9),
    "epochs": (1, 10_000),
    "crops_per_epoch": (1, 10_000_000),
    "plain_share": (0, 1),
    "batch_size": (1, 4096),
    "learning_rate": (1e-12, 10),
    "warm_up_share": (0, 1),
    "weight_decay": (0, 1),
    "dropout": (0, 0.99),
    "label_smoothing": (0, 0.99),
    "average_decay": (0, 0.99999),
    "patience": (1, 10_000),
    "ensemble": (1, 100),
    "holdout_share": (0.01, 0.9),
    "test_share": (0, 0.9),
    "test_from_groups": (1, 1_000_000),
    "occupied_at": (0, 1),
    "empty_at": (0, 1),
    "representative_count": (2, 100_000),
}


def require_usable(recipe: Recipe) -> None:
    """Refuse a recipe that could not be run.

    Raises:
        ConfigurationError: a number is out of its limits, there is no such network, or no such
            layer to part it after; the message names all of them.
    """
    problems = [
        # Negated, so that what is no number at all is refused too.
        f"{name}: {value:g} is out of its limits; give {least:g} to {greatest:g}"
        for name, (least, greatest) in LIMITS.items()
        if not least <= (value := getattr(recipe, name)) <= greatest
    ]
    if not problems and recipe.empty_at >= recipe.occupied_at:
        problems.append(
            f"empty_at: {recipe.empty_at:g} is not below occupied_at, {recipe.occupied_at:g}"
        )
    backbone = BACKBONES.get(recipe.backbone)
    if backbone is None:
        problems.append(
            f"backbone: there is no '{recipe.backbone}'; choose one of "
            f"{', '.join(sorted(BACKBONES))}"
        )
    elif recipe.transfer == "last layers" and recipe.learns_after not in backbone.cuts:
        problems.append(
            f"learns_after: {recipe.backbone} cannot be parted after '{recipe.learns_after}'; "
            f"choose one of {', '.join(backbone.cuts)}"
        )
    if problems:
        raise ConfigurationError("\n".join(f"recipe {recipe.name}: {one}" for one in problems))
