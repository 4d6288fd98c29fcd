"""Write dashboards/*.json."""

from __future__ import annotations

from pathlib import Path

from monitoring import drift, infrastructure, model, releases, service
from monitoring.panels import build

FOLDER = Path(__file__).resolve().parents[1] / "dashboards"
PAGES = {
    "service": service.PAGE,
    "model": model.PAGE,
    "drift": drift.PAGE,
    "releases": releases.PAGE,
    "platform": infrastructure.PAGE,
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / f"{name}.json").write_text(build(page), encoding="utf-8")


if __name__ == "__main__":
    main()
