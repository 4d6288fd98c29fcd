"""What the pods of a release were asked, and how many of them there were."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx

from tests.cluster.release import Release

# Clients keep connections, and a Service chooses a pod for each.
PER_CONNECTION = 25
# Prints how many requests for /model this pod has served.
SERVED = """
import urllib.request
lines = urllib.request.urlopen("http://127.0.0.1:8000/metrics").read().decode().splitlines()
served = [line for line in lines if line.startswith("http_requests_total{") and 'route="/model"' in line]
print(int(sum(float(line.rpartition(" ")[2]) for line in served)))
"""


def send_requests(url: str, count: int) -> Counter[int]:
    """Ask for /model so many times; how many answers had which status."""
    statuses: Counter[int] = Counter()
    for _ in range(count // PER_CONNECTION):
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
            statuses.update(client.get("/model").status_code for _ in range(PER_CONNECTION))
    return statuses


def count_served(release: Release, pod: str) -> int:
    """How many of such requests a pod has answered."""
    return int(release.kubectl("exec", pod, "--", "python", "-c", SERVED))


@contextmanager
def fewest_replicas(release: Release, *names: str) -> Iterator[Counter[str]]:
    """The smallest number of pods of each Deployment that is asked for while a block runs."""
    found: Counter[str] = Counter(dict.fromkeys(names, 1000))
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.3):
            for name in names:
                found[name] = min(found[name], int(release.kubectl.get("deployment", name)["spec"]["replicas"]))

    with ThreadPoolExecutor(1) as threads:
        watching = threads.submit(watch)
        try:
            yield found
        finally:
            over.set()
        watching.result()  # who did not see all proves nothing
