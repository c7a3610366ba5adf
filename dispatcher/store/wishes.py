"""What a reply asks for, done: opt out, opt in again, answer.

A STOP belongs to every app that texted the person from that sender within 90 days; where there is none, to those that
the sender is dedicated to; else to all that texted the person; else to everybody, for a STOP is never lost. Who texted
any spelling of the phone that wrote it texted the person, and it counts for every spelling; so does START.

Carriers may tell late, and in another order. A START ends only what was said before it. A STOP that comes late counts
as well, unless a START to the same sender was said after it; it never loses against a START of which nobody knows when
it was said, and where that is not known of the STOP, it was said when it came.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dispatcher.core.answers import DAY, KINDS, VALIDITY, Answered, may_answer, text_of
from dispatcher.core.exchange import Wish
from dispatcher.core.invitation import Kind, OptOut, Scope
from dispatcher.core.keywords import Heard, heard
from dispatcher.core.lifecycle import State
from dispatcher.core.segments import count
from dispatcher.core.spellings import spellings
from dispatcher.engine.ports import Ids
from dispatcher.engine.replies import Letter, OurSender, Writer
from dispatcher.store.instants import instant, micros
from dispatcher.store.optouts import OF_PERSON, REPLY, THEIRS, opt_out
from dispatcher.store.pool import OF_APP
from dispatcher.store.statement import Statement, Tx
from dispatcher.store.sticky import REFRESHED, REMEMBERED

NONE, DOUBTFUL = "none", "doubtful"  # verdicts, beside the wishes
PERHAPS: Final = "perhaps STOP"
FROM_NOBODY: Final = "STOP from a number that cannot be read"
OF_STRANGER: Final = "STOP of whom no app texted: now nobody texts them"
OVERTAKEN: Final = "STOP came late: START was said after it"

ANSWERED: Final = Statement(
    """select verdict, sender_id, received_at from replies
    where person = :person and received_at > :since and answer_id is not null"""
)
TEXTED: Final = Statement(
    """select k.app_id, k.used_at, k.sender_id from apps a
    join sticky_senders k on k.app_id = a.id and k.person = :person and k.used_at > :since
    union all
    select e.app_id, e.used_at, e.sender_id from earlier_senders e where e.person = :person and e.used_at > :since"""
)
INVITED: Final = Statement(
    """select d.app_id from apps a cross join duplicate_slots d cross join messages m
    where d.app_id = a.id and d.person = :person and m.id = d.message_id and m.sent_at is not null
    order by m.sent_at desc"""
)
DEDICATED: Final = Statement("select d.app_id from sender_apps d where d.sender_id = :sender_id order by d.app_id")
ONLY: Final = Statement(
    f"""select a.id from senders s join apps a on {OF_APP.format(app="a.id")}
    where s.id = :sender_id order by a.id limit 2"""
)
APPS: Final = Statement(
    """select a.id, a.account_id, a.app_id, a.stop_text, a.start_text, a.help_text
    from {rows} join apps a on a.id = r.id""",
    "id bigint",
)
# What they said themselves, to that sender or to another of these apps; an operator's word stays.
LIFT: Final = Statement(
    f"""delete from optouts where person = :person and source in ({THEIRS}) and created_at <= :at
    and (sender_id = :sender_id or (scope = '{Scope.APP}' and scope_id in (select id from {{rows}})))
    returning scope, scope_id""",
    "id bigint",
)
STARTS: Final = f"'{Wish.START}', '{NONE}'"  # what START may be kept as: where nothing was stopped, a word like others
# One that waits to be heeded has no verdict yet.
SINCE: Final = Statement(
    f"""select verdict, text from replies where person = :person and received_at >= :said_at and said_at > :said_at
    and sender_id = :sender_id and verdict in ({STARTS})"""
)
OUTDATE: Final = Statement(
    f"""update messages set state = '{State.DISCARDED}', reason = 'another reply came', hold = '', completed_at = :now,
        lease_until = null
    where person = :person and state in ('{State.QUEUED}', '{State.CLAIMED}') and kind = '{Kind.CONFIRMATION}'
    and awaited = -:sender_id"""
)
QUEUE: Final = Statement(
    """insert into messages (id, account_id, app_id, kind, channel, person, region, state, code, admitted_code, text,
        segments, created_at, planned_at, due_at, awaited, expires_at)
    select id, account_id, app_id, kind, 'sms', person, region, 'queued', 0, 0, text, segments, :now, :now, :now,
        -sender_id, :expires
    from {rows}""",
    "id bigint, account_id bigint, app_id bigint, kind text, person text, region text, text text, segments integer, "
    "sender_id bigint",
)


@dataclass(frozen=True, slots=True)
class _App:
    id: int
    account_id: int
    name: str
    texts: dict[Wish, str]


@dataclass(frozen=True, slots=True)
class Judged:
    """What was made of a letter."""

    verdict: str
    review: str = ""
    answer_id: int | None = None
    discarded: int = 0


def judge(tx: Tx, letter: Letter, meant: Heard, writer: Writer, now: datetime, ids: Ids) -> Judged:
    """Do what a reply that is new asks for; what was made of it."""
    if not meant.sure:
        return Judged(DOUBTFUL, PERHAPS)
    wish, sender, news, discarded, review = meant.wish, letter.sender, True, 0, ""
    same = same_phone(letter, writer)
    people = [each.person for each in same]
    if wish is Wish.STOP and _is_overtaken(tx, letter, people):
        return Judged(wish, OVERTAKEN)
    said_at = letter.said_at or now
    apps = scope_of(tx, people, sender, now)
    if wish is Wish.STOP:
        review = FROM_NOBODY if not writer.address else "" if apps else OF_STRANGER
        news, discarded = stop(tx, same, sender.id if sender else 0, apps, letter.text, now, said_at)
    elif wish is Wish.START:
        lifted = [lift(tx, each.person, sender.id if sender else 0, apps, said_at) for each in same]
        news, apps = any(anything for anything, _ in lifted), lifted[0][1]
        if not news:  # to whom nothing is stopped, yes is a word like others
            return Judged(NONE)
    answer_id = None
    if sender and not letter.answered and (apps or wish is not Wish.START):
        answer_id = _answer(tx, wish, sender, same, apps, now, ids, news=news)
    return Judged(wish, review, answer_id, discarded)


def same_phone(letter: Letter, writer: Writer) -> list[Writer]:
    """Who wrote, and after them every other spelling of their phone."""
    return [writer, *(each for each in letter.writers if each != writer and each.address in spellings(writer.address))]


def _is_overtaken(tx: Tx, letter: Letter, people: Sequence[str]) -> bool:
    """Whether START was said to that sender after this letter, and came before it."""
    if not (letter.said_at and letter.sender):
        return False
    given = {"sender_id": letter.sender.id, "said_at": micros(letter.said_at)}
    return any(is_start(*later) for person in people for later in tx.run(SINCE, person=person, **given))


def is_start(verdict: str, text: str) -> bool:
    """Whether a reply asked for texts again, whatever came of it."""
    return verdict == Wish.START or bool((said := heard(text)) and said.sure and said.wish is Wish.START)


def scope_of(tx: Tx, people: Sequence[str], sender: OurSender | None, now: datetime) -> list[int]:
    """The apps that a word to this sender is about, the one that texted last first; none where nobody can tell.

    `people` is who wrote, by each spelling of the phone.
    """
    texted: dict[bool, dict[int, int]] = defaultdict(dict)
    since = micros(now - REMEMBERED - REFRESHED)
    for app_id, used_at, by in (row for person in people for row in tx.run(TEXTED, person=person, since=since)):
        theirs = texted[sender is not None and by == sender.id]
        theirs[app_id] = max(used_at, theirs.get(app_id, 0))
    if texted[True]:
        return sorted(texted[True], key=texted[True].__getitem__, reverse=True)
    if sender and (dedicated := [row[0] for row in tx.run(DEDICATED, sender_id=sender.id)]):
        return dedicated
    others = sorted(texted[False], key=texted[False].__getitem__, reverse=True)
    invited = (row[0] for person in people for row in tx.run(INVITED, person=person))
    return list(dict.fromkeys([*others, *invited]))


def stop(
    tx: Tx, same: Sequence[Writer], sender_id: int, apps: Sequence[int], said: str, now: datetime, said_at: datetime
) -> tuple[bool, int]:
    """Opt a person, by each spelling of the phone, out of these apps, of everything if there are none.

    Whether that is news of the first one, and how many messages it discarded.
    """
    scopes = [(Scope.APP, app_id) for app_id in apps] or [(Scope.GLOBAL, 0)]
    before = {(row[2], row[3]) for row in tx.run(OF_PERSON, person=same[0].person)}
    asked = [
        OptOut(each.person, *scope, REPLY, said, each.address, said_at, sender_id) for each in same for scope in scopes
    ]
    return not before.issuperset(scopes), opt_out(tx, asked, now)


def lift(tx: Tx, person: str, sender_id: int, apps: Sequence[int], at: datetime) -> tuple[bool, list[int]]:
    """End what this person said until then to this sender, or to others of these apps.

    Whether that was anything, and who may text them now.
    """
    lifted = tx.run(LIFT, [(app_id,) for app_id in apps], person=person, sender_id=sender_id, at=micros(at))
    ended = [app_id for scope, app_id in lifted if scope == Scope.APP]
    everything = (Scope.GLOBAL, 0) in lifted
    ended = [app_id for app_id in dict.fromkeys([*apps, *ended]) if everything or app_id in ended]
    left = {(row[2], row[3]) for row in tx.run(OF_PERSON, person=person)}
    return bool(lifted), [
        app.id
        for app in _apps(tx, ended)
        if not left & {(Scope.APP, app.id), (Scope.ACCOUNT, app.account_id), (Scope.GLOBAL, 0)}
    ]


def _answer(
    tx: Tx,
    wish: Wish,
    sender: OurSender,
    same: Sequence[Writer],
    apps: Sequence[int],
    now: datetime,
    ids: Ids,
    *,
    news: bool,
) -> int | None:
    """Queue the answer to a wish, to leave by that very sender; None where nobody can speak, or nobody should."""
    writer, people = same[0], [each.person for each in same]
    lately = [
        Answered(row[0], row[1], instant(row[2]))
        for person in people
        for row in tx.run(ANSWERED, person=person, since=micros(now - DAY))
    ]
    if not may_answer(wish, sender.id, lately, now, news=news):
        return None
    meant = _speakers(tx, people, apps) or _apps(tx, _only(tx, sender))
    if not meant:
        return None
    speaker = meant[0]
    if wish is not Wish.HELP:
        for person in people:
            tx.run(OUTDATE, person=person, sender_id=sender.id, now=micros(now))
    names = [app.name for app in (meant[:1] if wish is Wish.HELP else meant)]
    text = text_of(wish, speaker.texts[wish], names)
    answer_id, segments = ids(), count(text).segments
    row = (
        answer_id,
        speaker.account_id,
        speaker.id,
        KINDS[wish],
        writer.person,
        writer.region,
        text,
        segments,
        sender.id,
    )
    tx.run(QUEUE, [row], now=micros(now), expires=micros(now + VALIDITY))
    return answer_id


def _speakers(tx: Tx, people: Sequence[str], app_ids: Sequence[int]) -> list[_App]:
    """Those of these apps that may be named together: of one account, for none learns of the others'.

    Where they are of several, the account's whose app texted the person last; nobody's where none did.
    """
    apps = _apps(tx, app_ids)
    if len({app.account_id for app in apps}) > 1:
        texted = {row[0] for person in people for row in tx.run(TEXTED, person=person, since=0)}
        texted |= {row[0] for person in people for row in tx.run(INVITED, person=person)}
        apps = [app for app in apps if app.id in texted]
    return [app for app in apps if app.account_id == apps[0].account_id]


def _only(tx: Tx, sender: OurSender) -> list[int]:
    """The only app that this sender texts for, if it is one."""
    found = [row[0] for row in tx.run(ONLY, sender_id=sender.id)]
    return found if len(found) == 1 else []


def _apps(tx: Tx, app_ids: Sequence[int]) -> list[_App]:
    """These apps, in this order."""
    if not app_ids:
        return []
    found = {
        row[0]: _App(row[0], row[1], row[2], dict(zip(Wish, row[3:], strict=True)))
        for row in tx.run(APPS, [(app_id,) for app_id in app_ids])
    }
    return [found[app_id] for app_id in app_ids if app_id in found]
