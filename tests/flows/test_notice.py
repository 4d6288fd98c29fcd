"""People are told: by a webhook, by e-mail; what does not arrive fails nothing."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler

from dandelion.retraining.notice import Notice, send
from dandelion.settings import NotifySettings
from tests.flows.conftest import Told
from tests.servers.ports import free_ports

NOTICE = Notice(
    outcome="rejected",
    title="dandelion: version 3 was rejected",
    body="Worse: right on 62 %.",
    action="The champion stays.",
    links={"Run": "http://127.0.0.1:4200/runs/flow-run/1"},
)


class Mailbox(MessageHandler):
    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.mails.append(message)


@pytest.fixture
def mail() -> Iterator[tuple[str, Mailbox]]:
    mailbox = Mailbox()
    (port,) = free_ports(1)
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield f"mailto://127.0.0.1:{port}?from=dandelion@example.org&to=somebody@example.org&mode=insecure", mailbox
    controller.stop()


def options(*urls: str, on: tuple[str, ...] = ("rejected",)) -> NotifySettings:
    return NotifySettings.model_validate({"urls": urls, "on": on})


def test_a_webhook_and_an_e_mail_carry_what_a_person_can_act_on(told: Told, mail: tuple[str, Mailbox]) -> None:
    address, mailbox = mail
    assert send(NOTICE, options(told.url, address)) == "Notified 2 of 2: dandelion: version 3 was rejected"
    hook = told.messages[-1]
    assert hook["title"] == NOTICE.title
    for words in ("Worse: right on 62 %.", "The champion stays.", "Run: http://127.0.0.1:4200/runs/flow-run/1"):
        assert words in hook["message"]
    (letter,) = mailbox.mails
    assert letter["subject"] == NOTICE.title


def test_an_address_that_fails_spoils_no_other(told: Told) -> None:
    before = len(told.messages)
    said = send(NOTICE, options("nonsense", "json://127.0.0.1:9/", told.url))
    assert said == "Notified 1 of 3: dandelion: version 3 was rejected"
    assert len(told.messages) == before + 1


def test_nobody_is_told_what_nobody_asked_for(told: Told) -> None:
    before = len(told.messages)
    assert send(NOTICE, options(told.url, on=("failed",))).startswith("Nobody was notified: DANDELION_NOTIFY__ON")
    assert len(told.messages) == before


@pytest.mark.parametrize("address", ["slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "jsons://host/hook"])
def test_addresses_of_services_are_known(address: str) -> None:
    import apprise

    assert apprise.Apprise().add(address)
