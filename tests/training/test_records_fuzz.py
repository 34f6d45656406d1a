"""A few dozen of the damaged records of `python -m tests.fuzz.persisted`."""

from tests.fuzz import persisted


def test_damaged_records_are_refused_or_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("LUNG_WORKSPACE", str(tmp_path))
    counts, findings = persisted.run(tmp_path, first=0, count=60)
    assert not findings, findings[0]
    assert counts.total() == 60
    assert {outcome for *_, outcome in counts} == {"refused", "the same, or made again"}
