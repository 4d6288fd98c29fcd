"""Commands of Jobs wait for an object store that does not respond yet, and for nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dandelion.cli.patience import waiting_for_store
from dandelion.errors import ObjectAccessError, ObjectNotFoundError, ObjectStoreError


class Store:
    """Fails a few times, then works."""

    def __init__(self, error: Exception, failures: int) -> None:
        self._error = error
        self._failures = failures
        self.calls = 0

    def ask(self) -> str:
        self.calls += 1
        if self.calls <= self._failures:
            raise self._error
        return "done"


def test_a_store_that_responds_later_is_asked_again() -> None:
    store = Store(ObjectStoreError("no response", "wait"), failures=3)
    assert waiting_for_store(timedelta(minutes=1)).copy(sleep=lambda _: None)(store.ask) == "done"
    assert store.calls == 4


def test_without_a_time_to_wait_it_is_asked_once() -> None:
    store = Store(ObjectStoreError("no response", "wait"), failures=1)
    with pytest.raises(ObjectStoreError):
        waiting_for_store(None)(store.ask)


def test_a_missing_object_is_not_waited_for() -> None:
    store = Store(ObjectNotFoundError("no such object", "list them"), failures=1)
    with pytest.raises(ObjectNotFoundError):
        waiting_for_store(timedelta(minutes=1))(store.ask)
    assert store.calls == 1


def test_keys_that_the_store_refuses_are_final_unless_an_account_is_on_its_way() -> None:
    store = Store(ObjectAccessError("no such key", "check it"), failures=1)
    with pytest.raises(ObjectAccessError):
        waiting_for_store(timedelta(minutes=1))(store.ask)
    assert store.calls == 1
    later = Store(ObjectAccessError("no such key", "check it"), failures=3)
    wait = waiting_for_store(timedelta(minutes=1), account=True).copy(sleep=lambda _: None)
    assert wait(later.ask) == "done"
