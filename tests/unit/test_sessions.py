"""Sessions of people who signed in."""

from __future__ import annotations

from dandelion.ui import sessions
from dandelion.ui.sessions import COOKIE, Sessions


def test_a_session_ends_when_it_is_not_used() -> None:
    now = 0.0
    opened = Sessions(1.0, clock=lambda: now)
    cookies = {COOKIE: opened.open("secret", "key:website")}
    now = 3000.0
    found = opened.find(cookies)
    assert found is not None
    assert found.key == "secret"
    now = 6000.0  # used 3000 s ago
    assert opened.find(cookies) is not None
    now = 10_000.0
    assert opened.find(cookies) is None


def test_a_key_that_was_signed_out_is_forgotten() -> None:
    opened = Sessions(1.0)
    cookies = {COOKIE: opened.open("secret", "key:website")}
    opened.close(cookies)
    assert opened.find(cookies) is None
    assert "secret" not in repr(opened.__dict__)


def test_nobody_has_a_session_without_its_cookie() -> None:
    opened = Sessions(1.0)
    opened.open("secret", "key:website")
    assert opened.find({}) is None
    assert opened.find({COOKIE: "guess"}) is None


def test_too_many_sessions_push_out_the_longest_unused() -> None:
    opened = Sessions(1.0)
    first, second = ({COOKIE: opened.open(name, name)} for name in ("first", "second"))
    assert opened.find(first) is not None  # which makes the second one the longest unused
    for number in range(sessions.MAX_SESSIONS - 1):
        opened.open(str(number), str(number))
    assert opened.find(first) is not None
    assert opened.find(second) is None


def test_no_key_is_printed() -> None:
    opened = Sessions(1.0)
    assert "secret" not in repr(opened.find({COOKIE: opened.open("secret", "key:website")}))
