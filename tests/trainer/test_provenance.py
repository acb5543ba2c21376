"""What a manifest says of how its model was made, also one that somebody spoilt."""

from typing import Any

import pytest

from edge.bundle import BundleRefused
from trainer.provenance import mirrored_sources_of, provenance_of

pytestmark = pytest.mark.trainer


def test_a_manifest_that_says_nothing_is_fine() -> None:
    assert provenance_of({}).sources == ()
    assert mirrored_sources_of({}) == ()


@pytest.mark.parametrize(
    "manifest",
    [
        {"recipe": [1]},
        {"training": []},
        {"trained_on": 5},
        {"trained_on": [{"groups": "many"}]},
        {"training": {"epochs": [{"epoch": 1}]}},
    ],
)
def test_a_damaged_manifest_is_refused(manifest: dict[str, Any]) -> None:
    with pytest.raises(
        BundleRefused, match=r"^bundle\.json: what it says .* copy the bundle again$"
    ):
        provenance_of(manifest)


@pytest.mark.parametrize("recipe", [[1], "shipped", {"mirrored_sources": "pklot"}])
def test_a_damaged_recipe_is_refused(recipe: object) -> None:
    with pytest.raises(BundleRefused, match=r"^bundle\.json: its recipe is damaged"):
        mirrored_sources_of({"recipe": recipe})
