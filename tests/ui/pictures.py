"""The pictures of docs/ui.md and the README, of drawn photos: `python -m tests.ui.pictures`, some minutes."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from dandelion.client import Client
from dandelion.training.sample import create_sample
from tests.servers.browser import Visit, running_browser, visit
from tests.servers.product import Launcher, Running

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"
SIZE = (1100, 760)
COLOURS = 200


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        launch = Launcher(folder)
        try:
            up = launch(
                "up",
                DANDELION_JOURNAL__PHOTOS="all",
                DANDELION_JOURNAL__SHIP_SECONDS="0.1",
                DANDELION_RETRAINING__EPOCHS="8",
            )
            up.wait_for_output("Dandelion is up")
            photos = create_sample(folder / "photos", per_class=60, size=256, seed=7)
            train(up, folder)
            answer(up, photos)
            take_pictures(up, photos)
        finally:
            launch.end()


def train(up: Running, folder: Path) -> None:
    """A champion that knows drawn photos, and a hastier challenger, both with their plots."""
    uri = f"http://127.0.0.1:{up.env['DANDELION_REGISTRY__PORT']}"
    up.wait_for("/health", url=uri)
    up.env["DANDELION_REGISTRY__URI"] = uri
    for epochs in ("30", "6"):
        short = ["--epochs", epochs, "--size", "128", "--pretrained", "off"]
        run(up, "train", "--data", str(folder / "photos"), "--output", str(folder / epochs), *short)
        if epochs == "30":
            run(up, "models", "promote", "2")


def run(up: Running, *words: str) -> None:
    done = up.command(*words)
    assert done.returncode == 0, done.stderr


def answer(up: Running, photos: list[Path]) -> None:
    """Some minutes of traffic, some of it judged."""
    with Client(up.url) as client:
        for number, path in enumerate(photos):
            given = client.predict(path.read_bytes())
            if number % 4 == 0:
                client.feedback(given.prediction_id, path.parent.name)
            time.sleep(1 + number % 3 / 2)


def take_pictures(up: Running, photos: list[Path]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    chosen = [photos[number] for number in (8, 65, 3, 70, 12, 75)]
    with running_browser() as browser, visit(browser, up.page_url, size=SIZE) as visitor:
        visitor.drop(*((path.name, path.read_bytes()) for path in chosen))
        visitor.wait_for_picture(visitor.page.locator("#heatmap img"))
        save(visitor, "classify")
        for name, (tab, prepare) in TABS.items():
            visitor.tab(tab)
            prepare(visitor)
            save(visitor, name)
        # Last: it uses both cores for some minutes.
        run(up, "data", "upload", str(photos[0].parents[1]))
        retrain(visitor)
        save(visitor, "retraining", "#retrainings")


def label(visitor: Visit) -> None:
    visitor.wait_for_picture(visitor.page.locator("#labelling section > img").first)


def history(visitor: Visit) -> None:
    visitor.page.locator("#history tbody button").first.click()
    visitor.wait_for_picture(visitor.page.locator("#prediction img").last)


def model(visitor: Visit) -> None:
    visitor.page.get_by_role("button", name="Show 3").click()
    visitor.wait_for_text("#version", "Metrics of version 3")
    visitor.page.get_by_role("button", name="Promote 3").click()
    visitor.wait_for_text("#confirm", "will replace version")


def health(visitor: Visit) -> None:
    visitor.page.locator("#quality table").wait_for()


def retrain(visitor: Visit) -> None:
    visitor.page.get_by_label("Reason").fill("New photos of the autumn")
    visitor.page.get_by_label("Force it").check()
    visitor.page.get_by_role("button", name="Start a retraining").click()
    visitor.page.locator("#retrainings .steps li.completed").nth(6).wait_for(timeout=900_000)


TABS: dict[str, tuple[str, Callable[[Visit], None]]] = {
    "label": ("Label", label),
    "history": ("History", history),
    "model": ("Model", model),
    "health": ("Health", health),
}


def save(visitor: Visit, name: str, part: str = "body") -> None:
    """What is seen from the top of a part on, in few colours: a picture of some ten kilobytes."""
    visitor.page.locator(part).evaluate("part => window.scrollTo(0, part.getBoundingClientRect().top + scrollY - 40)")
    visitor.page.wait_for_timeout(1000)
    shot = Image.open(io.BytesIO(visitor.page.screenshot()))
    path = FOLDER / f"{name}.png"
    shot.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        path, optimize=True
    )
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
