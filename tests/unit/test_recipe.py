"""What a retraining starts from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Never

from dandelion.package import ModelPackage, open_package
from dandelion.package.starter import starter_path
from dandelion.retraining.recipe import plan_recipe
from dandelion.settings import RetrainingSettings


def test_weights_that_the_champion_brings_are_not_rebuilt(tmp_path: Path) -> None:
    def photos(_: ModelPackage) -> Never:
        raise AssertionError("the weights were rebuilt from the graph")

    champion = open_package(shutil.copytree(starter_path(), tmp_path / "champion"))
    champion.weights.write_bytes(b"weights")
    recipe = plan_recipe(RetrainingSettings(), champion, tmp_path / "rebuilt", photos)
    assert recipe.config.pretrained == str(champion.weights)
    assert recipe.start == f"the champion's weights ({champion.digest[:12]})"
