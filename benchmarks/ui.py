"""The web page's figures: first page, answer to a dropped thumbnail, 20 people at once, memory of its process.

    python -m benchmarks.ui

Starts `dandelion serve` and `dandelion ui` on an empty machine and drives Debian's Chromium, which shares the cores.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, async_playwright
from tests.photos import labelled_photos
from tests.servers import tools
from tests.servers.product import Launcher

from benchmarks.report import processor

PROMISED = {
    "first page, s": 2.0,
    "answer to a dropped thumbnail, ms (median)": 500.0,
    "memory of the page's process, MB": 500.0,
    "errors of 20 people at once": 0.0,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, default=7)
    parser.add_argument("--photos", type=int, default=25)
    parser.add_argument("--people", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        launch = Launcher(Path(folder))
        try:
            api = launch("serve")
            page = launch("ui", "--api", api.url)
            api.wait_for("/readyz")
            page.wait_for("/readyz", url=page.page_url)
            figures = asyncio.run(measure(page.page_url, options.visits, options.photos, options.people))
            figures["memory of the page's process, MB"] = memory_mb(page.process.pid)
        finally:
            launch.end()
    print(f"{processor()}, {os.cpu_count()} cores\n")
    print("| figure | promised | measured |\n|---|---|---|")
    for name, promised in PROMISED.items():
        print(f"| {name} | {promised:g} | {figures.pop(name):.3g} |")
    for name, measured in figures.items():
        print(f"| {name} | | {measured:.3g} |")


async def measure(url: str, visits: int, photos: int, people: int) -> dict[str, float]:
    async with async_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = await playwright.chromium.launch(executable_path=tools.find("chromium"), args=flags)
        try:
            await open_page(browser, url)  # the process compresses its scripts when first asked for them
            first = [await open_page(browser, url) for _ in range(visits)]
            answers = await drop_photos(browser, url, photos)
            errors, crowd = await come_together(browser, url, people)
        finally:
            await browser.close()
    return {
        "first page, s": statistics.median(first),
        "answer to a dropped thumbnail, ms (median)": 1000 * statistics.median(answers),
        "answer to a dropped thumbnail, ms (95 %)": 1000 * sorted(answers)[int(0.95 * len(answers))],
        "errors of 20 people at once": float(len(errors)),
        "answer while 20 people drop photos, ms (median)": 1000 * statistics.median(crowd),
    }


async def open_page(browser: Browser, url: str) -> float:
    """Seconds until a visitor with an empty cache sees the page, ready for a photo."""
    context = await browser.new_context()
    page = await context.new_page()
    started = time.perf_counter()
    await page.goto(url, wait_until="commit")
    await page.locator("#photos input[type=file]").first.wait_for(state="attached")
    seconds = time.perf_counter() - started
    await context.close()
    return seconds


async def drop_photos(browser: Browser, url: str, count: int) -> list[float]:
    """Seconds from dropping each of some thumbnails to seeing its answer."""
    context, page = await visit(browser, url)
    seconds = [await drop(page, f"{number}.jpg", photo) for number, photo in enumerate(thumbnails(count))]
    await context.close()
    return seconds


async def come_together(browser: Browser, url: str, people: int) -> tuple[list[str], list[float]]:
    """What went wrong, and how long answers took, while many people each drop photos, judge and look around."""
    errors: list[str] = []
    seconds: list[float] = []

    async def person(number: int) -> None:
        try:
            context, page = await visit(browser, url)
            page.on("pageerror", lambda error: errors.append(str(error)))
            for turn, photo in enumerate(thumbnails(3)):
                seconds.append(await drop(page, f"{number}-{turn}.jpg", photo))
                await page.get_by_role("button", name="Right").click()
                await page.locator("#answer").get_by_text("kept as right").wait_for()
            await page.get_by_role("tab", name="History").click()
            await page.locator("#history tbody tr").first.wait_for()
            if await page.locator(".toast-body").count():
                errors.append(await page.locator(".toast-body").first.inner_text())
            await context.close()
        except Exception as error:  # noqa: BLE001 -- counted
            errors.append(f"{type(error).__name__}: {error}")

    await asyncio.gather(*(person(number) for number in range(people)))
    for error in errors:
        print(error)
    return errors, seconds


async def visit(browser: Browser, url: str) -> tuple[BrowserContext, Page]:
    context = await browser.new_context()
    context.set_default_timeout(120_000)
    page = await context.new_page()
    await page.goto(url)
    await page.locator("#photos input[type=file]").first.wait_for(state="attached")
    return context, page


async def drop(page: Page, name: str, photo: bytes) -> float:
    file: Any = {"name": name, "mimeType": "image/jpeg", "buffer": photo}
    started = time.perf_counter()
    await page.locator("#photos input[type=file]").first.set_input_files(file)
    await page.locator("#answer .hint").get_by_text(name).wait_for()
    return time.perf_counter() - started


def thumbnails(count: int) -> Sequence[bytes]:
    photos = [photo for _, photo in labelled_photos(per_class=20)]
    return [photos[number % len(photos)] + bytes([number // len(photos)]) for number in range(count)]


def memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    main()
