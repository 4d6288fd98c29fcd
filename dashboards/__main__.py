"""Writes dashboards/*.json."""

from __future__ import annotations

from pathlib import Path

from dashboards import drift, infrastructure, model, releases, service
from dashboards.panels import build

FOLDER = Path(__file__).resolve().parent
PAGES = {
    "service": service.PAGE,
    "model": model.PAGE,
    "drift": drift.PAGE,
    "releases": releases.PAGE,
    "platform": infrastructure.PAGE,
}


def main() -> None:
    for name, page in PAGES.items():
        (FOLDER / f"{name}.json").write_text(build(page), encoding="utf-8")


if __name__ == "__main__":
    main()
