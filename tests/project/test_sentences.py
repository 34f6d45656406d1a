"""No sentence stands in the prose of which nobody has asked: how does the reader know?

sentences.csv names the kind of each sentence of the README, the cards, the notebooks' Markdown and
the report; its digest changes with any change of the sentence. A new or changed sentence is refused
until its kind is stated, and one that speaks of a result needs a row of claims.csv that proves it.
"""

import csv
import io
import re

import pandas as pd
import pytest
from claim_builders import CLAIMS, filled
from prose_builders import CARDS, FILES, SECTIONS, digest, sentences

from utils.workspace import REPOSITORY

LISTED = pd.read_csv(REPOSITORY / "tests" / "project" / "sentences.csv", dtype=str)
KINDS = {
    "result": "what came out here: a claim with a condition or a computed number proves it",
    "measured": "what came out once, of data that are not here; no committed file has it",
    "published": "what others have printed",
    "explains": "a definition, a method, a fact of the field, advice, a question",
}
REPORTS = r"(?i)report|published|cite|challenge|vrikkis|purvis|dansana|bartels|olander|challenge"


def kinds_of(name):
    """Kind by digest of one file."""
    own = LISTED[LISTED["file"] == name]
    return dict(zip(own["digest"], own["kind"], strict=True))


def as_rows(name, found):
    """Sentences as rows for sentences.csv, their kind left open."""
    text = io.StringIO()
    rows = [(name, "?", digest(sentence), sentence[:30]) for sentence in found]
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def proofs(name):
    """Claims on a file that are computed or must meet a condition, in one line each."""
    for row in CLAIMS[CLAIMS["file"] == name].itertuples():
        if row.holds or re.search(r"(?<!\{)\{[^{]", row.claim):
            yield " ".join(filled(row.claim, name).split())


def test_every_kind_is_known():
    assert set(LISTED["kind"]) == set(KINDS)
    assert set(LISTED["file"]) == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_every_sentence_has_a_kind(name):
    known, found = kinds_of(name), {digest(s): s for s in sentences(name)}
    new = as_rows(name, [s for key, s in found.items() if key not in known])
    assert not new, f"state the kind of each in sentences.csv ({', '.join(KINDS)}):\n{new}"
    assert not set(known) - set(found), "sentences.csv lists sentences that are gone"


@pytest.mark.parametrize("name", FILES)
def test_a_result_is_proved(name):
    """By a claim that lies within the sentence, or goes on beyond it."""
    known, proved = kinds_of(name), list(proofs(name))
    bare = [
        sentence
        for sentence in sentences(name)
        if known.get(digest(sentence)) == "result"
        and not any(claim in sentence or sentence in claim for claim in proved)
    ]
    assert not bare, "claims.csv has no condition that proves: " + "\n".join(bare)


@pytest.mark.parametrize("name", FILES)
def test_what_was_measured_once_or_printed_by_others_says_so(name):
    for sentence in sentences(name):
        kind = kinds_of(name).get(digest(sentence))
        assert kind != "measured" or name in (*CARDS, "README.md"), sentence
        context = sentence if name not in SECTIONS else "published"
        assert kind != "published" or re.search(REPORTS, context) or "|" in sentence, sentence


def test_any_change_of_a_sentence_is_seen():
    sentence = "The network misses consolidated lung."
    changed = (sentence.replace("misses", "finds"), sentence[:-1], "No. " + sentence)
    assert len({digest(s) for s in (sentence, *changed)}) == 4
