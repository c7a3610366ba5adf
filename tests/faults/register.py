"""The register of faults: what must be survived, and the tests that prove it, as module::test under tests/.

The entries are those that the design promises; tests/faults/test_register.py fails when one of them has no test.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

ENTRIES: Final = (
    "kill -9 while claimed",
    "kill -9 after the carrier accepted and before our commit",
    "kill -9 after the commit and before the callback",
    "SIGTERM once",
    "SIGTERM twice",
    "SIGSTOP longer than the lease, then SIGCONT",
    "rescue racing completion",
    "heartbeat failing while work goes on",
    "hung carrier",
    "several schedulers",
    "poison row",
    "PostgreSQL restart mid-run",
    "backends terminated steadily",
    "LISTEN connection half-open",
    "pool exhaustion",
    "connection cut during COMMIT at intake",
    "two processes opening a new SQLite file at once",
    "SQLite busy",
    "disk full",
    "power cut",
    "start after a long outage",
    "carrier flapping",
    "carrier throttling",
    "carrier accepting then dropping the connection",
    "carrier never reporting",
    "receipts early, late, doubled, shuffled, for unknown ids",
    "multipart",
    "two hosts on one sender",
    "clock jumping back",
    "tenant burst of 100,000",
    "windows over midnight and DST",
    "the morning herd",
    "pause, restart, resume",
    "same key posted 50 times at once",
    "callback endpoint dead, slow, private, redirecting",
    "STOP racing 1,000 queued rows",
)
KILL_POINTS: Final = "faults/test_kill_points.py::test_a_process_killed_at_any_point_leaves_what_another_one_finishes"
KILLS: Final = "faults/test_kill.py::test_nothing_is_lost_and_nothing_is_sent_twice"
STOPPED: Final = "faults/test_kill_points.py::test_a_process_that_was_stopped_for_longer_than_its_lease_changes_nothing"
DROPPED: Final = "faults/test_carriers.py::test_a_carrier_that_takes_and_drops_the_connection"
RECEIPTS: Final = "faults/test_receipts.py::test_receipts_in_any_order_and_number"
BURST: Final = "faults/test_load.py::test_a_burst_of_one_tenant_delays_another_by_seconds"
EQUAL: Final = "journeys/test_first_minute.py::test_equal_posts_at_once_over_two_processes_are_one_invitation"
ENDPOINTS: Final = "faults/test_customers.py::test_one_customers_endpoint_costs_the_others_nothing"
HANGING: Final = "faults/test_customers.py::test_endpoints_that_hang_by_the_hundred_keep_no_other_waiting"

PROOFS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "kill -9 while claimed": (KILL_POINTS, KILLS),
        "kill -9 after the carrier accepted and before our commit": (KILL_POINTS, KILLS),
        "kill -9 after the commit and before the callback": (KILL_POINTS, KILLS),
        "SIGTERM once": (
            "faults/test_processes.py::test_sigterm_amid_submits_finishes_what_is_in_flight_and_begins_nothing",
        ),
        "SIGTERM twice": (
            "faults/test_processes.py::test_a_second_sigterm_to_serve_leaves_what_the_next_process_finishes",
            "faults/test_processes.py::test_sigterm_amid_submits_finishes_what_is_in_flight_and_begins_nothing",
            "test_serve.py::test_a_second_signal_ends_them_by_force",
        ),
        "SIGSTOP longer than the lease, then SIGCONT": (
            STOPPED,
            "faults/test_stopped.py::test_who_stands_still_amid_a_transaction_holds_nobody_up",
            "faults/test_stopped.py::test_who_stands_still_with_sqlites_lock_is_waited_for",
        ),
        "rescue racing completion": (
            "faults/test_processes.py::test_rescue_that_races_completion_takes_no_result_away",
        ),
        "heartbeat failing while work goes on": (
            "faults/test_processes.py::test_a_worker_whose_heartbeat_fails_claims_nothing_and_what_is_in_flight_lands",
        ),
        "hung carrier": ("faults/test_processes.py::test_a_hung_carrier_holds_up_no_other_connection", DROPPED),
        "several schedulers": (
            "faults/test_processes.py::test_three_work_processes_submit_each_row_once",
            "faults/test_many.py::test_many_processes_submit_each_invitation_once",
        ),
        "poison row": ("faults/test_processes.py::test_a_row_that_poisons_its_batch_fails_alone",),
        "PostgreSQL restart mid-run": (
            "faults/test_postgres_faults.py::test_postgres_restart_mid_run",
            "faults/test_postgres_faults.py::test_results_that_cannot_be_written_are_kept",
        ),
        "backends terminated steadily": ("faults/test_postgres_faults.py::test_backends_terminated_steadily",),
        "LISTEN connection half-open": ("faults/test_postgres_faults.py::test_listen_connection_half_open",),
        "pool exhaustion": ("faults/test_postgres_faults.py::test_pool_exhaustion",),
        "connection cut during COMMIT at intake": (
            "faults/test_postgres_faults.py::test_connection_cut_during_commit_at_intake",
        ),
        "two processes opening a new SQLite file at once": (
            "store/test_sqlite.py::test_two_processes_that_open_a_new_file_at_once",
        ),
        "SQLite busy": ("faults/test_sqlite_faults.py::test_a_stranger_that_holds_the_file_delays_and_loses_nothing",),
        "disk full": (
            "faults/test_sqlite_faults.py::test_a_disk_that_is_full_takes_nothing_half_and_goes_on_when_there_is_room",
        ),
        "power cut": ("faults/test_sqlite_faults.py::test_no_answer_before_its_log_is_on_disk",),
        "start after a long outage": (
            "faults/test_processes.py::test_after_a_long_outage_what_has_expired_is_discarded_not_blasted",
        ),
        "carrier flapping": ("faults/test_carriers.py::test_a_carrier_that_comes_and_goes",),
        "carrier throttling": ("faults/test_carriers.py::test_a_carrier_that_throttles",),
        "carrier accepting then dropping the connection": (DROPPED,),
        "carrier never reporting": ("faults/test_carriers.py::test_a_carrier_that_never_reports",),
        "receipts early, late, doubled, shuffled, for unknown ids": (RECEIPTS,),
        "multipart": (RECEIPTS,),
        "two hosts on one sender": ("faults/test_pace.py::test_two_processes_never_exceed_one_senders_rate",),
        "clock jumping back": (
            "faults/test_clock.py::test_a_clock_that_jumps_back_repeats_no_id_and_stops_no_work",
            "store/test_nodes.py::test_a_clock_that_jumps_back",
        ),
        "tenant burst of 100,000": (BURST,),
        "windows over midnight and DST": (
            "properties/test_hours_properties.py::test_next_open_is_open_everywhere_and_nothing_before_it_is",
            "properties/test_nothing_leaves_at_night.py::test_nothing_leaves_at_night",
        ),
        "the morning herd": ("faults/test_load.py::test_the_morning_herd_keeps_order_and_pace",),
        "pause, restart, resume": ("faults/test_load.py::test_a_pause_outlasts_a_restart",),
        "same key posted 50 times at once": (EQUAL,),
        "callback endpoint dead, slow, private, redirecting": (ENDPOINTS, HANGING),
        "STOP racing 1,000 queued rows": ("faults/test_customers.py::test_opt_outs_racing_a_thousand_queued_rows",),
    }
)
