"""What the originals say of one patient, and whether a text or some bytes still say it."""

import re
import unicodedata
from contextlib import suppress
from functools import cached_property

from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag

from utils.deidentify.keeping import WORDS, texts
from utils.deidentify.pixels import refusal
from utils.dicom import stored_vr

NUMBERS = {"DS", "IS", "US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "OW", "OF", "OD", "AT"}
PLAIN = str.maketrans({"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i"})
SPELT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})  # as in passports
ENCODINGS = "latin-1 utf-8 utf-16-le utf-16-be gb18030 euc-kr shift_jis iso2022_jp".split()
SURE = 6  # bytes that do not stand in pixels by chance; eight where zeros may lie between


class Identity:
    """Names and their joins, numbers without zeros and dashes, UIDs, days as YYYYMMDD; numbers as
    written, and places of elements that cannot be read."""

    def __init__(self):
        self.names, self.ids, self.uids, self.days = set(), set(), set(), set()
        self.written, self.unread = set(), set()

    def collect(self, dataset):
        """Add what an original says, in whatever element, sequence or private group."""
        for place, element in elements(dataset):
            self.unread |= {place} if element is None else set()
            for value in _values(element):
                if element.VR == "UI" and element.keyword != "ImplementationClassUID":
                    self.uids |= set() if value in UID_dictionary else {value}
                elif element.VR in ("DA", "DT") and re.match(r"[12]\d{7}", value):
                    self.days.add(value[:8])
                elif element.VR == "PN":
                    parts = {*re.split(r"[\^=\s,.\\-]+", value.lower())} - {"", *WORDS["common"]}
                    parts = {part for part in parts if not part.isdigit()}
                    self.names |= {name for name in parts if len(name) > 1 or name > "\u1100"}
                    self.names |= {one + other for one in parts for other in parts - {one}}
                if element.keyword in WORDS["identifying"]:
                    plain = re.sub(r"[\W_]", "", value.lower()).lstrip("0")
                    self.ids |= {plain} if len(plain) >= 3 else set()
                    self.written.add(value.lower())

    def in_text(self, text):
        """What of the original a text, or bytes of whatever encoding, hold: "a name", or "".

        Names whole if they are short, anywhere if they have five letters; ä is a, ae or ä. Days
        in many ways of writing them; numbers with or without zeros, dashes and blanks.
        """
        if isinstance(text, bytes):
            decoded = [text.decode(encoding, "ignore") for encoding in ENCODINGS]
            text = "\n".join([*decoded, text.replace(b"\0", b"").decode("latin-1")])
        if any(_begins(token, self.uids) for token in re.findall(r"\d+(?:\.\d+){2,}", text)):
            return "a UID"
        forms = "\n".join(_spellings(text))
        return next((kind for kind, found in self._patterns.items() if found(forms)), "")

    def in_numbers(self, text):
        """The same for numbers, dates and UIDs, in which only what is long tells anything.

        A date may have its point anywhere, and numbers may be the codes of letters.
        """
        codes = re.findall(r"(?<![\d.])\d{2,3}(?![\d.])", text[:400])
        if len(codes) > 2 and (said := self.in_text("".join(map(chr, map(int, codes))))):
            return said
        days = {form for d in self.days for form in (d, d[6:] + d[4:6] + d[:4], d[4:] + d[:4])}
        runs = re.findall(r"(?<!\d)\d{6,20}(?!\d)", text)  # a new UID has more digits
        whole = [re.sub(r"\D", "", n) for n in re.findall(r"\d[\d.]+(?:[eE]\+?\d+)?", text)]
        found = {form for n in runs + whole for form in (n, n.strip("0"), n.ljust(8, "0"), n[:8])}
        known = {number for number in self.ids | days if len(number) >= SURE} | self.uids
        return "a number, date or UID" if known & {text, *found} else ""

    def in_bytes(self, data):
        """(what of the original, at which byte) pixels or a whole file hold, or ("", 0)."""
        lower = data.lower()
        closed = lower.replace(b"\0", b"")  # UTF-16 of Latin letters becomes Latin
        for kind, needle in self._needles:
            if needle in lower:
                return kind, lower.find(needle)
            if len(needle) >= SURE + 2 and needle in closed:
                return kind, 0
        return "", 0

    @cached_property
    def _patterns(self):
        """What it is -> the search for it in folded text, once all is collected."""
        names = {form for name in self.names for form in _spellings(name)}
        ids = (rf"(?<!{_kin(i[0])})0*{'[-_./ ]?'.join(i)}(?!{_kin(i[-1])})" for i in self.ids)
        days = (form for day in self.days for form in _written(day))
        kinds = {"a name": map(_whole, names), "a number": ids, "a date": days}
        return {kind: re.compile("|".join(forms) or "(?!)").search for kind, forms in kinds.items()}

    @cached_property
    def _needles(self):
        """(what it is, lower-case bytes), those that pixels do not hold by chance."""
        spelt = [("a name", form) for name in self.names for form in {name, *_spellings(name)}]
        spelt += [("a number", number) for number in self.ids | self.written]
        spelt += [("a UID", uid) for uid in self.uids]
        orders = ("{y}{m}{d}", "{y}-{m}-{d}", "{d}.{m}.{y}", "{m}/{d}/{y}", "{d}/{m}/{y}")
        split = [{"y": day[:4], "m": day[4:6], "d": day[6:]} for day in self.days]
        spelt += [("a date", order.format(**day)) for day in split for order in orders]
        bytes_ = {(k, s.encode(e, "ignore").lower()) for k, s in spelt for e in ENCODINGS}
        return sorted((k, b) for k, b in bytes_ if len(b.replace(b"\0", b"")) >= SURE)


def elements(dataset, place=""):
    """All elements but sequences, with their place such as `ROI[2].Name`; file meta first.

    None stands for one that cannot be read. Raises InputError where that is a name or number of
    the patient, for which the check could not look then, and where sequences lie too deep.
    """
    yield from elements(dataset.file_meta, "file meta ") if "file_meta" in vars(dataset) else ()
    for tag in sorted(dataset.keys()):
        keyword, known, element = keyword_for_tag(tag), False, None
        name = place + (keyword or str(tag))
        with suppress(Exception):  # pydicom may raise nearly anything on hostile values
            element, known = dataset.get_item(tag), stored_vr(dataset, tag) in NUMBERS
            long = isinstance(element.value, bytes) and len(element.value) > 64
            if not (long and known):  # a contour's points stay as stored, and what is no number
                element = dataset[tag]
                known = element.VR != "PN" or str(element.value) is not None  # decodes it
        vrs = getattr(element, "VR", ""), dictionary_has_tag(tag) and dictionary_VR(tag)
        needed = "PN" in vrs or keyword in WORDS["identifying"]
        if place.count("[") > 100 or (needed and not known):
            raise refusal("unreadable", name)
        if known and element.VR == "SQ":
            for index, item in enumerate(element.value):
                yield from elements(item, f"{name}[{index}].")
        else:
            yield name, element if known else None


def _values(element):
    """Values of an element as stripped texts; none of bytes, of numbers, and of what is unread."""
    if element is None or isinstance(element.value, bytes) or element.VR in NUMBERS:
        return []
    return [shown for part in texts(element) if (shown := part.strip(" \0"))]


def _spellings(text):
    """A text in lower case without accents and apostrophes, and with ä, ö, ü as ae, oe, ue.

    What is spelt with ae, oe, ue already comes with a, o, u too, if it is not short.
    """
    lower = re.sub("['’`´]", "", unicodedata.normalize("NFC", text).lower())
    spelt, plain = (
        re.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFKD", form.translate(PLAIN)))
        for form in (lower.translate(SPELT), lower)
    )
    return {spelt, plain, re.sub("([aou])e", r"\1", spelt)} if len(text) >= 5 else {spelt, plain}


def _begins(token, uids):
    """Whether a UID is one of these or begins with it."""
    parts = token.split(".")
    return any(".".join(parts[:count]) in uids for count in range(3, len(parts) + 1))


def _whole(name):
    """Pattern of a name: of five letters, or of a script without blanks, it stands anywhere."""
    if len(name) >= 5 or name > "\u1100":
        return re.escape(name)
    near = r"\w" if len(name) == 2 else r"[^\W\d_]"
    return rf"(?<!{near}){re.escape(name)}(?!{near})"


def _kin(character):
    """What would go on with a number that ends in this character."""
    return "[^\\W\\d_]" if character.isalpha() else r"\d"


def _written(day):
    """Patterns of the ways in which a day, given as YYYYMMDD, stands in folded text."""
    parts = {"y": day[:4], "b": day[2:4], "m": f"0?{int(day[4:6])}", "d": f"0?{int(day[6:])}"}
    parts |= {"s": "[-./_,\\s]", "t": r"(?:st|nd|rd|th)?"}
    parts["n"] = f"(?:{WORDS['months'][int(day[4:6]) - 1]})[a-z]*"
    return [rf"(?<!\d){form.format(**parts)}(?!\d)" for form in WORDS["days"]]
