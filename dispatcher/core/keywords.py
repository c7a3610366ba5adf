"""What a reply asks for: STOP, START or HELP in many languages, in the words that people use; or a person should look.

Sources: 47 CFR 64.1200(a)(10) and FCC 24-24 (any reasonable means; stop, quit, end, revoke, opt out, cancel and
unsubscribe always count), CTIA's Short Code Monitoring Handbook, the keyword lists of Twilio, AWS and Bird.

A word alone decides, whatever stands around it: courtesy, punctuation, accents, a mail program's signature. So does a
sentence that asks for it plainly. What is said about other things that stop ("bus stop", "I can't stop laughing") is
taken out first; a word of STOP that is left over in it makes the reply doubtful, which a person has to read. So does a
complaint that it does not stop ("these texts never stop"), which with a threat is STOP.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from dispatcher.core import words
from dispatcher.core.exchange import Wish

MOST_CHARACTERS: Final = 1000  # that are read; nobody says STOP on the third page
MOST_WORDS: Final = 25  # of a reply that a phrase in it decides; a longer one is a letter, for a person to read
MOST_AFTER: Final = 10  # words that may follow a word of STOP
LONGEST_WORD: Final = 3  # letters of a stem that is a whole word


@dataclass(frozen=True, slots=True)
class Heard:
    """A wish. One that is not `sure` is perhaps STOP."""

    wish: Wish
    sure: bool = True


# --- Plain words ---------------------------------------------------------------------------------------------------

_JOINED: Final = frozenset("'’‘`´")
_TWINS: Final = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe"})


def plain(text: str) -> str:
    """Lower case, without accents, marks and invisible characters, one space between words."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    letters = "".join(map(_letter, unicodedata.normalize("NFKD", folded)))
    return " ".join(unicodedata.normalize("NFC", letters).translate(_TWINS).split())


def _letter(char: str) -> str:
    """What is left of a character: itself if words are made of it, nothing if it is not seen, else a gap."""
    category = unicodedata.category(char)
    if category in ("Mn", "Cf") or char in _JOINED:
        return ""
    return char if category[0] in "LN" or category == "Mc" else " "


def _set(text: str) -> frozenset[str]:
    return frozenset(map(plain, text.split("|")))


# --- What is listened for ------------------------------------------------------------------------------------------

STOP: Final = _set(words.ORDERS) | _set(words.ALONE)
START: Final = _set(words.START)
HELP: Final = _set(words.HELP)
_ORDERS: Final = _set(words.ORDERS)
_NEGATIVE: Final = _set(words.NEGATIVE)
_POLITE: Final = _set(words.POLITE)
_LONGEST_POLITE: Final = max(phrase.count(" ") + 1 for phrase in _POLITE)
_AFTER: Final = _POLITE | _set(words.AFTER)
_PIECES: Final = _set(words.PIECES)
_SIGNS: Final = (_ORDERS | _set(words.ALSO_SIGNS)) - _set(words.NO_SIGNS)
_MAYBE: Final = _set(words.MAYBE)
_UNWILLING_PIECES: Final = _set(words.UNWILLING_PIECES)


def _stems(text: str) -> str:
    """A pattern for any of these: words that may go on, but for those of up to three letters."""
    stems = (rf"{stem}\b" if len(stem) <= LONGEST_WORD else rf"{stem}\w*" for stem in sorted(_set(text)))
    return f"(?:{'|'.join(stems)})"


_PAIRS: Final = tuple(rf"\b{_stems(first)}(?: \w+){{0,2}} {_stems(then)}" for first, then in words.PAIRS)
_ASKS: Final = re.compile("|".join((*words.SENTENCES, *_PAIRS, rf"\b{_stems(words.PHRASES)}")))
_INSTRUCTION: Final = re.compile(words.INSTRUCTION)
_INNOCENT: Final = re.compile("|".join(words.INNOCENT))
_IN_VAIN: Final = re.compile("|".join(words.IN_VAIN))
_THREATS: Final = re.compile(words.THREATS)
_PERHAPS: Final = re.compile("|".join((*words.PERHAPS, rf"\b{_stems(words.UNWILLING)}")))
_ASKING: Final = re.compile(r"\s*[?¿؟？]+[\s?!¿؟？]*")
_STOP_SIGNS: Final = re.compile("[\N{OCTAGONAL SIGN}\N{NO ENTRY}\N{NO ENTRY SIGN}\N{RAISED HAND}]")
_SENTENCES: Final = re.compile(r"[.!?;,:\n。！？、؟،…]+|\s[-–—]+\s")
_SIGNATURE: Final = re.compile(
    r"^\s*(?:--\s*$|>|on .{4,80}wrote:\s*$|(?:am|le|el|em|il) .{4,80}(?:schrieb|crit|escribi|escreveu|scritto).{0,40}:\s*$|"
    r"sent (?:from|via|with) |get outlook for|von meinem |gesendet (?:von|mit)|diese nachricht wurde|envoy\S* (?:de|depuis) |"
    r"obtenir outlook|enviado (?:desde|do|de) |inviato da|verzonden (?:vanaf|met)|skickat fr[aå]n|sendt fra|"
    r"l[aä]hetetty |wys\S*ano z |отправлено с)",
    re.IGNORECASE,
)
_TAIL: Final = re.compile(
    r"\s(?:sent (?:from|via) (?:my |yahoo |outlook )?\S+(?: \S+){0,3}|get outlook for \S+|von meinem \S+ gesendet|"
    r"gesendet von \S+(?: \S+)?|envoy\S de mon \S+|enviado desde mi \S+|inviato da \S+(?: \S+)?)\s*$",
    re.IGNORECASE,
)
_QUOTED: Final = re.compile('[“„«"][^“”„«»"]{10,}(?:[”“»"]|$)')
_LINK: Final = re.compile(r"\b(?:https?://|www\.)\S+|(?<!\S)\S+\.\w{2,}/\S*", re.IGNORECASE)
_RUNS: Final = re.compile(r"(\w)\1{2,}")


def heard(text: str) -> Heard | None:
    """What a reply asks for, None where it asks for nothing of that kind. Never raises."""
    said_by_them = _LINK.sub(" ", _unquoted(_unsigned(text[:MOST_CHARACTERS])))
    said = plain(said_by_them)[:MOST_CHARACTERS]  # one character may be many when it is folded
    if not said:
        return _without_words(said_by_them)
    if not _INNOCENT.search(said) and (wish := _whole(said)):
        return Heard(wish)
    rest = " ".join(_INNOCENT.sub(" ", said).split())
    in_vain = _IN_VAIN.search(said)
    if _asks(rest) or (in_vain and _THREATS.search(said)):
        return Heard(Wish.STOP, sure=len(said.split()) <= MOST_WORDS)
    sentences = [found for part in _SENTENCES.split(said_by_them) if (found := plain(part))]
    if _is_order(rest) or any(_begins_or_ends(sentence) for sentence in (sentences[0], sentences[-1])):
        return Heard(Wish.STOP)
    if in_vain or _INSTRUCTION.fullmatch(said) or _may_be_stop(rest):
        return Heard(Wish.STOP, sure=False)
    return None


def _asks(rest: str) -> bool:
    """Whether it asks for it in a sentence."""
    readings = (rest, " ".join(_without(rest.split(), ends=True)))
    return any(map(_ASKS.search, readings)) or any(piece in rest for piece in _PIECES)


def _may_be_stop(rest: str) -> bool:
    """Whether what is said may mean STOP, or is said by somebody who wants no more."""
    return bool(
        _has_sign(rest)
        or _PERHAPS.search(rest)
        or _MAYBE & {rest, " ".join(_without(rest.split(), ends=True)), _impolite(rest)}
        or any(piece in rest for piece in _UNWILLING_PIECES)
    )


def _without_words(text: str) -> Heard | None:
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    if _ASKING.fullmatch(text):
        return Heard(Wish.HELP)
    return Heard(Wish.STOP, sure=False) if _STOP_SIGNS.search(text) else None


def _whole(said: str) -> Wish | None:
    """The wish of a reply that is a keyword and nothing else, however it is written."""
    bare = _impolite(said)
    letters = said.split()
    readings = {
        said,
        bare,
        " ".join(_without(letters, ends=True)),
        _once(bare),
        _RUNS.sub(r"\1", bare),
        _RUNS.sub(r"\1\1", bare),
    }
    if len(letters) > 2 and all(len(letter) == 1 for letter in letters):
        readings.add("".join(letters))
    if readings & STOP:
        return Wish.STOP
    if readings & START:
        return None if _NEGATIVE & set(letters) else Wish.START
    return Wish.HELP if readings & HELP else None


def _is_order(rest: str) -> bool:
    """Whether it begins with a word of STOP, followed by nothing that makes it another sentence."""
    spoken = _impolite(rest).split()
    for count in (3, 2, 1):
        if " ".join(spoken[:count]) in _ORDERS:
            after = spoken[count:]
            return 0 < len(after) <= MOST_AFTER and all(word in _AFTER or word.isdecimal() for word in after)
    return False


def _begins_or_ends(sentence: str) -> bool:
    """Whether a sentence is a word of STOP alone, such as the first or last one of a reply may be."""
    return _RUNS.sub(r"\1", _impolite(_INNOCENT.sub(" ", sentence))) in _ORDERS


def _has_sign(rest: str) -> bool:
    spoken = rest.split()
    pairs = {" ".join(pair) for pair in pairwise(spoken)}
    return bool(_SIGNS & {*spoken, *pairs})


def _impolite(said: str) -> str:
    """Without the words of courtesy before and after, as long as any word is left."""
    return " ".join(_without(_without(said.split(), ends=True), ends=False))


def _without(words: Sequence[str], *, ends: bool) -> list[str]:
    """The words without courtesy at one end."""
    left, before = list(words), 0
    while before != len(left):
        before = len(left)
        for count in range(min(_LONGEST_POLITE, before - 1), 0, -1):
            if " ".join(left[-count:] if ends else left[:count]) in _POLITE:
                left = left[:-count] if ends else left[count:]
                break
    return left


def _once(said: str) -> str:
    """One of a word that is said again and again."""
    spoken = said.split()
    return spoken[0] if len(set(spoken)) == 1 else said


def _unsigned(text: str) -> str:
    """The reply without what a mail program put beneath it."""
    kept: list[str] = []
    for line in text.splitlines():
        if kept and _SIGNATURE.match(unicodedata.normalize("NFKC", line)):
            break
        kept.append(line)
    return _TAIL.sub("", "\n".join(kept))


def _unquoted(text: str) -> str:
    """The reply without what it repeats of ours: 'Liked "Join me ..."'; a reply that is all in quotes is theirs."""
    left = _QUOTED.sub(" ", text)
    return left if plain(left) else text
