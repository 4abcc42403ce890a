"""The pipeline on the real flights of 2013: nothing is lost on the way, and nothing doubled."""

from __future__ import annotations

import psycopg
import pytest

from tests.examples.running import query, run_example
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.system

DAY = "2013-01-05"
FLIGHTS_OF_DAY = 720
FLIGHTS_OF_YEAR = 336_776


def test_the_pipeline_loads_every_flight_of_a_day(running_system: SystemProcess) -> None:
    execution = run_example(running_system, "etl_pipeline", {"date": DAY})

    assert execution["outputs"] == {"rows": FLIGHTS_OF_DAY}
    assert query(running_system, f"select count(*) from events_enriched where event_date = '{DAY}'") == [(FLIGHTS_OF_DAY,)]
    assert query(running_system, "select count(*) from events") == [(FLIGHTS_OF_YEAR,)]


def test_the_loaded_rows_are_those_of_the_source_and_one_column_more(running_system: SystemProcess) -> None:
    run_example(running_system, "etl_pipeline", {"date": DAY})
    kept = "event_date, carrier, flight, tailnum, origin, dest, dep_delay, arr_delay, air_time, distance"
    speed = "round(60.0 * distance / air_time, 1)"

    difference = query(
        running_system,
        f"(select {kept} from events where event_date = '{DAY}') except select {kept} from events_enriched",
    )
    wrong_speeds = query(
        running_system,
        f"select * from events_enriched where abs(speed_mph - {speed}) > 0.1 or (speed_mph is null) <> (air_time is null)",
    )

    assert (difference, wrong_speeds) == ([], [])


def test_a_day_that_is_loaded_twice_is_there_once(running_system: SystemProcess) -> None:
    run_example(running_system, "etl_pipeline", {"date": DAY})
    run_example(running_system, "etl_pipeline", {"date": DAY})

    assert query(running_system, f"select count(*) from events_enriched where event_date = '{DAY}'") == [(FLIGHTS_OF_DAY,)]


def test_a_day_without_flights_succeeds_with_no_rows(running_system: SystemProcess) -> None:
    """The schedule runs for yesterday, which is not in 2013."""
    execution = run_example(running_system, "etl_pipeline")

    assert execution["outputs"] == {"rows": 0}


def test_the_role_of_the_examples_cannot_enter_the_database_of_the_product(running_system: SystemProcess) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        query(running_system, "select 1", database="celestra")
