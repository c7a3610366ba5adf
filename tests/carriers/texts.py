"""What is sent where a carrier's words are compared with those of its own library."""

from __future__ import annotations

from typing import Final

from dispatcher.core.exchange import Submission
from dispatcher.core.segments import count

TEXTS: Final = (
    "Join me",
    "£ @ ¥ {braces} [and] ~ ^ | \\ €",
    "Hé “you” – 日本語",
    "\N{PILE OF POO} \N{WOMAN}\N{ZERO WIDTH JOINER}\N{ROCKET}",
    'it\'s "quoted" & <b>1+1=2%</b> %20 ?a=b&c=d;#x *~/',
    "one\ntwo\r\nthree\tfour ",
    "x" * 1600,
    "é" * 670,
)
SENDERS: Final = ("+12015550160", "54321", "Example", "+18885550160")
URLS: Final = (
    "https://us.example/hooks/main?id=234234",
    "https://us.example:8443/hooks/main?id=234234",
)


def submission(text: str = TEXTS[0], sender: str = SENDERS[0], url: str = URLS[0]) -> Submission:
    return Submission("234234", sender, "+13012223333", text, count(text).segments, url)


SUBMISSIONS: Final = (
    *(submission(text) for text in TEXTS),
    *(submission(sender=sender) for sender in SENDERS[1:]),
    *(submission(url=url) for url in URLS[1:]),
)
