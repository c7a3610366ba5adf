"""The callbacks owed: claimed by app, so that one customer's dead endpoint stands in nobody else's way."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from dispatcher.core.retry import ENDPOINT_FAILURES, ENDPOINT_UNHEARD, NO_SUCCESS
from dispatcher.engine.ports import AlarmKind, Called, Due, Trouble
from dispatcher.store.alarms import raise_alarms
from dispatcher.store.database import Database
from dispatcher.store.instants import AHEAD, MICROSECOND, instant, micros
from dispatcher.store.statement import Row, Statement
from dispatcher.store.words import kept

# An endpoint `e` that is left alone for now.
RESTS: Final = f"(e.rest_until is not null and e.rest_until > {{clock}} and e.rest_until <= {{clock}} + {AHEAD})"
LANES: Final = Statement(
    f"""with recursive lane (app_id) as (
        select min(app_id) from callbacks where state = 'queued'
        union all
        select (select min(c.app_id) from callbacks c where c.state = 'queued' and c.app_id > lane.app_id)
        from lane where lane.app_id is not null)
    select lane.app_id, coalesce(e.failures, 0), coalesce(e.rests, 0)
    from lane left join endpoints e on e.app_id = lane.app_id
    where lane.app_id is not null and e.stopped_at is null and not {RESTS}
    and (select min(c.due_at) from callbacks c where c.state = 'queued' and c.app_id = lane.app_id) <= :now"""
)
CLAIM_TEXT: Final = """with head as (
        select subject_id, kind, tries, due_at from callbacks
        where app_id = :app_id and state = 'queued' and due_at <= :now
        order by due_at, subject_id limit {head} {lock_skip}),
    due as (select subject_id, kind from head order by {first}, due_at limit :most)
    update callbacks set state = 'claimed', generation = generation + 1, lease_until = {clock} + :lease,
        first_try_at = coalesce(first_try_at, :now)
    from due where callbacks.subject_id = due.subject_id and callbacks.kind = due.kind
    returning callbacks.subject_id, callbacks.kind, callbacks.app_id, generation, tries, message_id, status,
        completed_at, first_try_at"""
CLAIM: Final = Statement(CLAIM_TEXT.replace("{head}", ":most").replace("{first}", "due_at"))
# Whether the endpoint works at all is asked by what did not fail there yet, and by any of that: it may fail on some
# callbacks alone, and those may be the oldest.
CLAIM_PROBE: Final = Statement(CLAIM_TEXT.replace("{head}", "100").replace("{first}", "tries, random()"))
# An endpoint that is probed rests for the others until the probe is settled, or its lease is over.
PROBE: Final = Statement(
    f"""update endpoints set rest_until = {{clock}} + :lease where app_id in (
        select e.app_id from endpoints e where e.app_id = :app_id and e.rests > 0 and e.stopped_at is null
        and not {RESTS} {{lock_skip}})
    returning app_id"""
)
DETAILS: Final = Statement(
    """select r.n, case when m.callback_url <> '' then m.callback_url else a.callback_url end, a.callback_secret,
        m.reference, p.address, coalesce(e.rests, 0)
    from {rows} join messages m on m.id = r.message_id join apps a on a.id = r.app_id
    left join people p on p.person = m.person left join endpoints e on e.app_id = r.app_id""",
    "n integer, message_id bigint, app_id bigint",
)
TRY: Final = Statement(
    """insert into callback_tries (subject_id, kind, generation, at, http, reason)
    select subject_id, kind, generation, at, http, reason from {rows} where true
    on conflict (subject_id, kind, generation) do nothing""",
    "subject_id bigint, kind text, generation integer, at bigint, http integer, reason text",
)
SETTLE: Final = Statement(
    """update callbacks set state = r.state, due_at = r.due_at, tries = callbacks.tries + r.tried,
        ended_at = r.ended_at, reason = r.reason, lease_until = null
    from {rows}
    where callbacks.subject_id = r.subject_id and callbacks.kind = r.kind and callbacks.generation = r.generation
    and callbacks.state = 'claimed'""",
    "subject_id bigint, kind text, generation integer, state text, due_at bigint, ended_at bigint, reason text, "
    "tried integer",
)
HEALTHY: Final = Statement(
    """update endpoints set failures = 0, failing_since = null, failed_at = null, rests = 0, rest_until = null,
        reason = ''
    where app_id in (select app_id from {rows}) and failures > 0 and stopped_at is null""",
    "app_id bigint",
)
AILING: Final = Statement(
    """insert into endpoints (app_id, failures, failing_since, failed_at, stopped_at, reason)
    select app_id, failures, failing_since, failed_at, stopped_at, reason from {rows} where true order by app_id
    on conflict (app_id) do update set failures = endpoints.failures + excluded.failures,
        failing_since = case when endpoints.failed_at > excluded.failing_since - :unheard
            then endpoints.failing_since else excluded.failing_since end, failed_at = excluded.failed_at,
        stopped_at = coalesce(excluded.stopped_at, endpoints.stopped_at), reason = excluded.reason""",
    "app_id bigint, failures integer, failing_since bigint, failed_at bigint, stopped_at bigint, reason text",
)
# Of calls that were under way together the first to fail ends in a rest, and the others tell of the same trouble.
REST: Final = Statement(
    """update endpoints set rests = r.rests, rest_until = {clock} + r.rest from {rows}
    where endpoints.app_id = r.app_id and endpoints.rests < r.rests and endpoints.failures >= :ailing""",
    "app_id bigint, rests integer, rest bigint",
)
# What was due before this is given up, where the endpoint was dead by then: counted back from its last failure rather
# than from now, since while no process of ours runs nobody is called.
BEFORE: Final = "case when e.stopped_at is null then e.failed_at else :now end - :life"
HOPELESS: Final = Statement(
    f"""select e.app_id, {BEFORE} from endpoints e
    where coalesce(e.stopped_at, e.failing_since) <= {BEFORE} and exists (
        select 1 from callbacks c where c.app_id = e.app_id and c.state = 'queued' and c.due_at <= {BEFORE})"""
)
GIVE_UP: Final = Statement(
    """with over as (
        select subject_id, kind from callbacks where app_id = :app_id and state = 'queued' and due_at <= :before
        order by due_at, subject_id limit :most {lock_skip})
    update callbacks set state = 'failed', ended_at = :now, reason = :reason
    from over where callbacks.subject_id = over.subject_id and callbacks.kind = over.kind
    returning callbacks.subject_id"""
)
RESCUE: Final = Statement(
    """update callbacks set state = 'queued', lease_until = null
    where state = 'claimed' and lease_until < {clock} returning subject_id"""
)
RESCUE_AHEAD: Final = Statement(
    f"""update callbacks set state = 'queued', lease_until = null
    where state = 'claimed' and lease_until > {{clock}} + {AHEAD} returning subject_id"""
)


class CallbackOutbox:
    """The callbacks owed."""

    def __init__(self, database: Database) -> None:
        """Work on this database."""
        self._database = database

    def lanes(self, now: datetime) -> dict[int, Trouble]:
        """Every app with a callback due whose endpoint neither rests nor is stopped, and the trouble it was in."""
        with self._database.read() as tx:
            return {row[0]: Trouble(*row[1:]) for row in tx.run(LANES, now=micros(now))}

    def claim(
        self, wants: Mapping[int, int], now: datetime, lease: timedelta, probes: Collection[int] = ()
    ) -> list[Due]:
        """Take up to so many due callbacks of each app, with all that their URLs may name.

        Of an app in `probes`, whose endpoint is ailing, only one process takes any until that is settled.
        """
        given = {"now": micros(now), "lease": lease // MICROSECOND}
        with self._database.write() as tx:
            found = [
                row
                for app_id, most in wants.items()
                if app_id not in probes or tx.run(PROBE, app_id=app_id, lease=given["lease"])
                for row in tx.run(CLAIM_PROBE if app_id in probes else CLAIM, app_id=app_id, most=most, **given)
            ]
            details = {row[0]: row[1:] for row in tx.run(DETAILS, [(n, r[5], r[2]) for n, r in enumerate(found)])}
        return [_due(row, details[n]) for n, row in enumerate(found) if n in details]

    def settle(self, results: Sequence[Called]) -> None:
        """Write how tries ended, in this order, and what that says of their endpoints."""
        failed: dict[int, list[Called]] = {}  # of each endpoint, since its last success
        healthy = set()
        for c in results:
            before = failed.get(c.due.app_id, [])
            if c.endpoint_rest is not None or c.endpoint_stop:
                failed[c.due.app_id] = [*before, c]
            elif c.http:
                failed[c.due.app_id] = [f for f in before if f.endpoint_stop]
                healthy.add(c.due.app_id)
        ailing = [those for _, those in sorted(failed.items()) if those]
        with self._database.write() as tx:
            tx.run(TRY, [
                (c.due.subject_id, c.due.kind, c.due.generation, micros(c.at), c.http, kept(c.reason))
                for c in results if c.tried
            ])  # fmt: skip
            tx.run(SETTLE, [_settled(c) for c in results])
            if healthy:
                tx.run(HEALTHY, [(i,) for i in sorted(healthy)])
            if ailing:
                tx.run(AILING, [_ailing(those) for those in ailing], unheard=ENDPOINT_UNHEARD // MICROSECOND)
                tx.run(REST, [_resting(those) for those in ailing], ailing=ENDPOINT_FAILURES)
            if stopped := {i: f.endpoint_stop for i, those in failed.items() for f in those if f.endpoint_stop}:
                raise_alarms(tx, AlarmKind.ENDPOINT_STOPPED, stopped, results[-1].at)

    def give_up(self, now: datetime, life: timedelta, most: int) -> dict[int, int]:
        """End up to `most` of what was due for `life` when its endpoint, failing for as long, failed last; by app."""
        ended: dict[int, int] = {}
        with self._database.read() as tx:
            hopeless = tx.run(HOPELESS, now=micros(now), life=life // MICROSECOND)
        for app_id, before in hopeless:
            if left := most - sum(ended.values()):
                given = {"app_id": app_id, "before": before, "now": micros(now), "most": left}
                with self._database.write() as tx:
                    ended[app_id] = len(tx.run(GIVE_UP, reason=NO_SUCCESS, **given))
        return ended

    def rescue(self) -> int:
        """Queue again what lost its lease; a callback may be made twice, with the same delivery id."""
        with self._database.write() as tx:
            return len(tx.run(RESCUE)) + len(tx.run(RESCUE_AHEAD))


def _due(row: Row, details: Row) -> Due:
    return Due(
        subject_id=row[0],
        kind=row[1],
        app_id=row[2],
        generation=row[3],
        tries=row[4],
        url=details[0],
        secret=details[1],
        message_id=row[5],
        reference=details[2],
        phone=details[3] or "",
        status=row[6],
        completed_at=instant(row[7]),
        first_try_at=instant(row[8]),
        rests=details[4],
    )


def _settled(c: Called) -> Row:
    state = "delivered" if c.delivered else "queued" if c.again_at else "failed"
    due, ended = micros(c.again_at or c.at), None if c.again_at else micros(c.at)
    return c.due.subject_id, c.due.kind, c.due.generation, state, due, ended, kept(c.reason), int(c.tried)


def _ailing(failed: Sequence[Called]) -> Row:
    last = failed[-1]
    stopped = [c for c in failed if c.endpoint_stop]
    at = micros(stopped[-1].at) if stopped else None
    reason = kept(stopped[-1].endpoint_stop if stopped else last.reason)
    return last.due.app_id, len(failed), micros(failed[0].at), micros(last.at), at, reason


def _resting(failed: Sequence[Called]) -> Row:
    most = max(failed, key=lambda c: c.due.rests)
    return most.due.app_id, most.due.rests + 1, (most.endpoint_rest or timedelta(0)) // MICROSECOND
