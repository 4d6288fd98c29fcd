"""Child processes that are kept alive, and what waits for them."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

from dandelion.cli.supervisor import Part, Supervisor
from tests.servers.scripted import Handler, listening
from tests.waiting import until


async def test_a_part_is_waited_for_until_it_answers(tmp_path: Path) -> None:
    is_up, was_asked = threading.Event(), threading.Event()

    class Health(Handler):
        def do_GET(self) -> None:
            self.answer(200 if is_up.is_set() else 503, b"")
            was_asked.set()

    with listening(Health) as url:
        sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
        supervisor = Supervisor([Part("API", sleeper, url, url)], tmp_path, lambda _: None)
        supervisor.start()
        waiting = asyncio.create_task(supervisor.wait_until_healthy("API"))
        await until(was_asked.is_set, "the part is asked")
        assert not waiting.done()
        is_up.set()
        await asyncio.wait_for(waiting, 30)
        await supervisor.stop()
