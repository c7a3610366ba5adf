"""One application per module and database; tests keep out of one another's way by inviting different people."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import pytest

from tests.factories import SECRET
from tests.web.api import DATABASES, Api, new_database, served


@pytest.fixture(scope="module", params=DATABASES)
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Apps 1 to 3 of account 1; app 2 may invite to the US only, app 3 reads numbers in the sender's country.

    Account 2 (key `other`) has one app.
    """
    with (
        new_database(str(request.param), request, tmp_path_factory.mktemp("api")) as url,
        served(url, apps=1) as api,
    ):
        app = {"callback_secret": "s", "hours": {"always": True}}
        api.rows.add_app(1, app | {"app_id": "com.example.2", "countries": "US"})
        api.rows.add_app(1, app | {"app_id": "com.example.3", "country_from_sender": 1})
        api.rows.add_account("Other", "b@example.com", "other", sha256(SECRET.encode()).hexdigest())
        api.rows.add_app(2, app | {"app_id": "com.other.1"})
        yield api
