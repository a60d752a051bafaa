from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ketbase.ids import born_at, new_id

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))


@given(moment=MOMENTS)
def test_an_id_says_when_it_was_made(moment: datetime) -> None:
    born = born_at(new_id("job", moment))
    assert born is not None
    assert abs(born - moment) < timedelta(milliseconds=1)


@given(text=st.one_of(st.text(), st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=26, max_size=26)))
def test_any_other_text_says_nothing_or_some_moment(text: str) -> None:
    assert born_at(text) is None or isinstance(born_at(text), datetime)


def test_a_uuid_says_nothing() -> None:
    assert born_at("617a1f8b-59d4-435d-aa33-695433d7155e") is None
