"""What is said to an SMSC, and what its answers, receipts and replies mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from zlib import crc32

from dispatcher.carriers.smpp.receipts import Told, receipt_of
from dispatcher.carriers.smpp.statuses import refused, refused_bind
from dispatcher.core.alphabets import Alphabet, alphabet_of, decoded, encoded
from dispatcher.core.codes import Code, Refusal
from dispatcher.core.exchange import Fate, Hook, Outcome, Receipt, Reply, Request, Response, Submission, judged
from dispatcher.core.lifecycle import Event
from dispatcher.core.reading import clean
from dispatcher.core.segments import count, split
from dispatcher.core.smpp import (
    Address,
    Command,
    Garbled,
    Pdu,
    Short,
    Tag,
    Terms,
    pdus,
    read_id,
    read_short,
    short_body,
)

METHOD: Final = "SMPP"
UDHI: Final = 0x40  # esm_class: the user data begins with a header (5.2.12)
UCS2: Final = 0x08
INTERNATIONAL: Final = 1
ALPHANUMERIC: Final = Address(5, 0, "")
MOST: Final = 255
MOST_TEXT: Final = 4096  # of a reply, more than a phone sends


class IdForm(StrEnum):
    """How receipts write the id that the answer to the submit gave; in each, case and leading zeros may differ."""

    SAME = "same"
    HEX = "hex"  # and the answer in decimal
    DECIMAL = "decimal"  # and the answer in hex


class Long(StrEnum):
    """How a text of several segments goes."""

    UDH = "udh"
    PAYLOAD = "payload"


@dataclass(frozen=True, slots=True)
class Smpp:
    """The words of one contract. `statuses` and `errors` are what its SMSC means by them."""

    terms: Terms
    alphabet: Alphabet
    data_coding: int
    long: Long
    short_code: Address
    id_form: IdForm
    statuses: Mapping[int, Outcome]
    errors: Mapping[str, Code | None]  # of receipts, without leading zeros; None is about the sender

    @property
    def url(self) -> str:
        """Where the SMSC is."""
        return f"smpp{'s' if self.terms.tls else ''}://{self.terms.host}:{self.terms.port}"

    def build(self, mt: Submission, now: datetime) -> Request:
        """A submit_sm for each part. A receipt is asked for the last alone: that of another must not end the whole."""
        source = self._source(mt.sender)
        destination = Address(INTERNATIONAL, 1, mt.to.removeprefix("+"))
        parts, coding = self._parts(mt)
        body = b""
        for number, (octets, esm_class, tags) in enumerate(parts, 1):
            short = Short(source, destination, octets, esm_class, int(number == len(parts)), coding, tags)
            body += bytes(Pdu(Command.SUBMIT, 0, short_body(short)))
        return Request(METHOD, self.url, {"key": mt.key}, body)

    def _source(self, sender: str) -> Address:
        if sender.startswith("+"):
            return Address(INTERNATIONAL, 1, sender.removeprefix("+"))
        return (self.short_code if sender.isdigit() else ALPHANUMERIC)._replace(number=sender)

    def _parts(self, mt: Submission) -> tuple[Sequence[tuple[bytes, int, Mapping[int, bytes]]], int]:
        """Octets, esm_class and optional parameters of each part, and their data_coding.

        Whatever the default alphabet of the SMSC lacks goes as UCS-2, and so does what GSM-7 lacks: on its way to the
        phone it would be replaced.
        """
        alphabet, coding = self.alphabet, self.data_coding
        if count(mt.text).encoding == "UCS-2" or encoded(mt.text, alphabet) is None:
            alphabet, coding = Alphabet.UCS2, UCS2
        texts = split(mt.text, wide=alphabet is Alphabet.UCS2)
        if len(texts) > 1 and self.long is Long.PAYLOAD:
            return [(b"", 0, {Tag.MESSAGE_PAYLOAD: encoded(mt.text, alphabet) or b""})], coding
        octets = [encoded(text, alphabet) or b"" for text in texts]
        if len(octets) == 1:
            return [(octets[0], 0, {})], coding
        # 3GPP TS 23.040, 9.2.3.24.1: concatenated, with a reference that is the same for all parts.
        head = bytes((5, 0, 3, crc32(mt.key.encode()) & 0xFF, len(octets)))
        return [(head + bytes((n,)) + part, UDHI, {}) for n, part in enumerate(octets, 1)], coding

    def read(self, response: Response) -> Outcome:
        """What became of all parts together.

        Once one was taken, a part that is refused, for whatever reason, ends the text: it will never be whole, and to
        send it again would be to send what was taken twice.
        """
        try:
            answers = [*pdus(response.body)]
        except Garbled:
            answers = []
        if answers and answers[0].command != Command.SUBMIT_RESP:
            return refused_bind(answers[0].status)
        taken = sum(not answer.status for answer in answers)
        no = next((refused(answer.status, self.statuses) for answer in answers if answer.status), None)
        if response.fault:
            outcome = judged(response) or Outcome(Fate.UNKNOWN)
        elif no or not answers:
            outcome = no or Outcome(Fate.UNKNOWN, reason="an answer without words")
        else:
            return Outcome(Fate.TAKEN, ref=self._of_answer(read_id(answers[-1])))
        if not taken:
            return outcome
        reason = f"{taken} of its parts taken, then: {outcome.reason}"[:MOST]
        if outcome.fate is Fate.UNKNOWN:
            return Outcome(Fate.UNKNOWN, reason=reason)
        return Outcome(Fate.NEVER, reason=reason, partly=True)

    def verify(self, hook: Hook, now: datetime) -> bool:
        """Only what came by a bind of ours is theirs; nobody can say so by HTTP."""
        return hook.method == METHOD

    def events(self, hook: Hook) -> Sequence[Receipt | Reply]:
        """The receipt or reply in a deliver_sm or data_sm, or the late answer to a submit that was given up."""
        try:
            pdu, *more = pdus(hook.body)
            if pdu.command == Command.SUBMIT_RESP:
                return self._late(hook)
            if more:
                raise Garbled("more than one")
            short = read_short(pdu)
            octets = _user_data(short)
        except ValueError as error:
            raise Refusal(400, f"PDU: {error}") from None
        alphabet = alphabet_of(short.data_coding, self.alphabet)
        if told := receipt_of(short, decoded(octets, alphabet if alphabet is Alphabet.UCS2 else Alphabet.LATIN1)):
            return self._receipt(told, "" if told.marked else f"+{short.source.number.strip().lstrip('+')}")
        text = decoded(octets, alphabet)
        if not text:
            return []
        return [
            Reply(
                their_number=_written(short.source),
                our_number=_written(short.destination),
                text=clean(text)[:MOST_TEXT],
            )
        ]

    def _late(self, hook: Hook) -> Sequence[Receipt]:
        key, outcome = hook.headers.get("key", ""), self.read(Response(body=hook.body))
        if outcome.fate is Fate.TAKEN:
            return [Receipt(Event.SUBMIT, key, outcome.ref)]
        if outcome.fate is not Fate.NEVER:
            return []
        return [Receipt(Event.REFUSE, key, "", outcome.reason, outcome.code, unsent=not outcome.partly)]

    def _receipt(self, told: Told, about: str) -> Sequence[Receipt]:
        if not told.ref:
            raise Refusal(400, "receipt: without an id")
        if told.event is None:
            return []
        reason = clean(f"{told.state} {told.error}".rstrip())[:MOST]
        code = self.errors.get(told.error, Code.SEND_FAILED)
        filtered = code is None and told.event is Event.REFUSE
        ref, code = self._of_receipt(told.ref), code or Code.SEND_FAILED
        return [Receipt(told.event, "", ref, reason, code, filtered, about=about)]

    # --- Ids, which some write in one way in answers and in another in receipts ---------------------------------------

    def _of_answer(self, ref: str) -> str:
        base = {IdForm.SAME: 16, IdForm.HEX: 10, IdForm.DECIMAL: 16}[self.id_form]
        return _number(ref, base, base)

    def _of_receipt(self, ref: str) -> str:
        base, written = {IdForm.SAME: (16, 16), IdForm.HEX: (16, 10), IdForm.DECIMAL: (10, 16)}[self.id_form]
        return _number(ref, base, written)


def _number(ref: str, base: int, written: int) -> str:
    """An id read to this base and written to that one, without leading zeros; as it is where it is no such number.

    What begins with 0x is hex, whatever it was to be. A decimal number that is read and written as hex stays the same.
    """
    ref = clean(ref.strip())[:MOST]
    try:
        value = int(ref, 16 if ref[:2].lower() == "0x" else base) if ref.isalnum() else None
    except ValueError:
        value = None
    if value is None:
        return ref
    return str(value) if written == 10 else f"{value:x}"


def _user_data(short: Short) -> bytes:
    """Without its header, if it has one."""
    octets = short.content
    if not short.esm_class & UDHI:
        return octets
    if not octets or octets[0] >= len(octets):
        raise Garbled("a header longer than what it heads")
    return octets[1 + octets[0] :]


def _written(address: Address) -> str:
    number = clean(address.number.strip())
    return f"+{number}" if address.ton == INTERNATIONAL and number.isdigit() else number
