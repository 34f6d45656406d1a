"""New names for what identifies, all from one secret: the same one wherever an old one stood."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import date, timedelta

from pydicom._uid_dict import UID_dictionary

CASE = r"[A-Za-z0-9][A-Za-z0-9_. -]{0,62}"
LEAST, MOST = 366, 3652  # days by which a patient's dates are moved into the past


@dataclass
class Pseudonyms:
    """Of one patient. A secret, which is kept nowhere unless in the map, gives them again."""

    secret: bytes
    case: str  # stands in the place of name and number
    uids: dict[str, str]  # old -> new, of all patients
    patient: str = ""  # whose number decides by how much dates are moved

    @property
    def days(self):
        """Days by which the dates of this patient go back."""
        return LEAST + self._hash("days of " + self.patient) % (MOST - LEAST)

    def uid(self, old):
        """A UID of the standard as it is, else a new one (PS3.5 B.2: 2.25. and 128 bits)."""
        if old and old not in UID_dictionary:
            return self.uids.setdefault(old, f"2.25.{self._hash('uid ' + old) >> 128}")
        return old or None

    def date(self, old):
        """YYYYMMDD moved into the past, or None for what is no date."""
        found = _day(old)
        return found and f"{found - timedelta(self.days):%Y%m%d}"

    def name(self, _old):
        """The case in the place of the patient."""
        return self.case

    def _hash(self, text):
        digest = hmac.new(self.secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return int.from_bytes(digest.digest())


class Kept:
    """In their place for a copy, in which what has the form of a new name stays."""

    def uid(self, new):
        known = new in UID_dictionary or re.fullmatch(r"2\.25\.[1-9]\d{0,38}", new)
        return new if known else None

    def date(self, new):
        return new[:8] if _day(new) else None

    def name(self, new):
        return new if re.fullmatch(CASE, new) else "?"


def _day(text):
    """The day that a date, or a date with time, begins with; None for what is none."""
    match = re.match(r"((?:18|19|20)\d\d)[.-]?(\d\d)[.-]?(\d\d)", text)
    try:
        return date(*map(int, match.groups())) if match else None
    except ValueError:
        return None
