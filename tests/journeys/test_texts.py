"""A text reaches the carrier as it was given, and is charged as the segments that it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dispatcher.core.segments import count
from dispatcher.store.database import Database
from tests.factories import SECRET, provision
from tests.processes import Customer, Recorder, staged

TEXTS: Final = [
    "  Join me\t\r\nand \u2028 the others  ",
    "It\u2019s \u201cgreat\u201d \u2013 caf\u00e9, cafe\u0301, \ufb01ne, \u00a0, \u200b, \ufeff.",
    '{to} {text} %invitor% {messageId} $HOME \\n "quoted" </x> &amp; %41 +',
    "a" * 152 + "\u20ac" + "a" * 152,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 20,
    "\x1b\x01\x7f",
]


def test_a_text_is_sent_as_given(database_url: str, database: Database, tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder, staged(database_url, tmp_path, WEB__WORKERS=1) as stage:
        provision(database, carrier="generic", settings=recorder.settings())
        stage.start("web")
        stage.start("work", ready=False)
        customer = Customer("key", SECRET, stage.port)
        posted = {}
        for n, text in enumerate(TEXTS):
            posted[customer.invite(f"+1201222300{n}", message=text).json["messageId"]] = text
        segments = {message_id: customer.final(message_id)["segments"] for message_id in posted}
        assert {submit.key: submit.text for submit in recorder.submits()} == posted
        assert segments == {message_id: count(text).segments for message_id, text in posted.items()}
        assert stage.complaints() == []
