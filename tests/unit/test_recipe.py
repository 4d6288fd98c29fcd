"""What a retraining starts from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Never

import pytest
from pydantic import ValidationError

from dandelion.errors import TrainingError
from dandelion.package import ModelPackage, open_package
from dandelion.package.starter import starter_path
from dandelion.retraining.recipe import plan_recipe
from dandelion.retraining.run import Champion
from dandelion.settings import RetrainingSettings
from tests.packages import make_package


def never(_: ModelPackage) -> Never:
    raise AssertionError("the weights were rebuilt from the graph")


def test_weights_that_the_champion_brings_are_not_rebuilt(tmp_path: Path) -> None:
    champion = open_package(shutil.copytree(starter_path(), tmp_path / "champion"))
    champion.weights.write_bytes(b"weights")
    recipe = plan_recipe(RetrainingSettings(), champion, ("dandelion", "grass"), tmp_path / "rebuilt", never)
    assert recipe.config.pretrained == str(champion.weights)
    assert recipe.start == f"the champion's weights ({champion.digest[:12]})"


@pytest.mark.parametrize(
    ("setting", "classes", "background"),
    [
        ("champion", ("dandelion", "grass"), "grass"),
        ("champion", ("dandelion", "daisy"), ""),  # grass is learnt no more
        ("daisy", ("dandelion", "daisy"), "daisy"),
        ("", ("dandelion", "grass"), ""),
    ],
)
def test_the_background_is_the_champion_s_or_that_of_the_settings(
    tmp_path: Path, setting: str, classes: tuple[str, ...], background: str
) -> None:
    limits = RetrainingSettings(background=setting, weights="off")
    champion = open_package(starter_path())
    assert plan_recipe(limits, champion, classes, tmp_path, never).config.background == background


def test_a_background_that_is_learnt_by_no_photo_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no class 'moss'.*BACKGROUND to one of: dandelion, grass"):
        plan_recipe(RetrainingSettings(background="moss"), None, ("grass", "dandelion"), tmp_path, never)
    with pytest.raises(ValidationError, match="background 'moss' is none of the classes dandelion, grass"):
        RetrainingSettings(background="moss", classes=("dandelion", "grass"))


def test_the_starter_is_known_whatever_its_card_says(tmp_path: Path) -> None:
    """Its classes need not be those of the user's photos, and older registries hold it with an older card."""
    older = open_package(make_package(tmp_path / "older", note="in other words"))
    assert older.digest != open_package(starter_path()).digest
    assert Champion("1", older).is_starter
