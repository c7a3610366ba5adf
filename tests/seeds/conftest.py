"""The house that the tests of published APIs live in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dispatcher.store.provisioning import Rows
from dispatcher.wiring.parts import utc_now
from tests.processes import Customer, Receiver, staged
from tests.seeds.house import CALLBACK, House, furnish, opened
from tests.web.api import DATABASES, new_database


@pytest.fixture(scope="module", params=DATABASES)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One house for all tests of a file, on each database."""
    folder = tmp_path_factory.mktemp("seed")
    with (
        new_database(str(request.param), request, folder) as url,
        opened(url) as database,
        Receiver() as receiver,
        staged(url, folder, WEB__WORKERS=1) as stage,
    ):
        furnish(Rows(database, utc_now), receiver.url + CALLBACK)
        stage.start("web")
        stage.start("work", ready=False)
        yield House(stage, receiver, database, Customer("myApiKey", "mySecret", stage.port))
        assert stage.complaints() == []
