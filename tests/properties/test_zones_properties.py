"""Any number of any country: zones that exist, of that country, in one spelling."""

from __future__ import annotations

import phonenumbers
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.zones import canonical, zone, zones_of
from tests.properties.drawn import drawn

regions = st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS))


@drawn(300)
@given(regions, st.text("0123456789", max_size=12))
def test_zones_exist_and_narrow_only(region: str, digits: str) -> None:
    code = phonenumbers.country_code_for_region(region)
    found = zones_of(f"+{code}{digits}", region)
    assert found
    assert list(found) == sorted(set(found))
    assert all(canonical(name) == name and zone(name).key == name for name in found)
    assert len(found) <= len(zones_of(f"+{code}", region))


@drawn(300)
@given(st.text(max_size=20), st.text(max_size=4))
def test_nonsense_is_harmless(e164: str, region: str) -> None:
    assert region in phonenumbers.SUPPORTED_REGIONS or not set(zones_of(e164, region)) - set(zones_of("+", region))
