"""The Basic Profile of PS3.15 Annex E, applied to one data set and all that lies within it.

The table of attributes and what to do with each come from dicom-anonymizer. That package treats
the top level of a data set only; here each item of each sequence is treated too (an RTSTRUCT
names its images three levels deep).
"""

from dicomanonymizer import simpledicomanonymizer as package

from utils.deidentify.remaining import STANDARD, TABLE, anatomical
from utils.dicom import stored_vr

ROI_NAME = (0x3006, 0x0026)
PLAIN = {"DS", "IS", "US", "SS", "UL", "SL", "FL", "FD", "OW", "OF", "AT", "CS"}  # keep as they are


def forget_uids():
    """Forget which new UID stands for which old one (the package keeps them in a global)."""
    package.dictionary.clear()


def profile_rules():
    """Actions of the Basic Profile: {(group, element): action} and those of repeating groups."""
    rules = package.initialize_actions(TABLE)
    for tag in package.dicom_anonymization_database_selector(TABLE)["X_Z_U_STAR_TAGS"]:
        rules[tag] = package.keep  # the profile's third choice: new UIDs within, below
    rules[ROI_NAME] = _clean_roi_name
    repeating = {tag: rules.pop(tag) for tag in list(rules) if len(tag) == 4}
    return rules, repeating


def apply_profile(dataset, rules, counts):
    """Apply the profile to a data set and to the items of its sequences, in place."""
    for tag in list(dataset.keys()):
        key = (tag.group, tag.element)
        if tag.is_private or tag == 0xFFFCFFFC:  # trailing padding may hold anything
            del dataset[tag]
            counts["private elements removed" if tag.is_private else "elements removed"] += 1
            continue
        action = _action(key, rules)
        if action is None and stored_vr(dataset, tag) in PLAIN:
            continue  # millions of contour points need not be parsed
        before = dataset[tag].value
        if action is not None:
            _act(action, dataset, key)
        if tag not in dataset:
            counts["elements removed"] += 1
            continue
        element = dataset[tag]
        if element.VR == "SQ":
            for item in element.value:
                apply_profile(item, rules, counts)
        elif element.VR == "UI" and action is None:
            _replace_foreign_uids(element)
        if element.VR == "UI" and element.value != before:
            counts["UIDs replaced"] += 1
        elif element.VR != "SQ" and element.value != before:
            counts["elements replaced"] += 1


def _action(key, rules):
    """Action for an attribute, or None; curves and overlays (50xx, 60xx) repeat their groups."""
    single, repeating = rules
    if key in single or not 0x5000 <= key[0] <= 0x60FF:
        return single.get(key)
    for (group, element, group_mask, element_mask), action in repeating.items():
        if (key[0] & group_mask, key[1] & element_mask) == (group, element & element_mask):
            return action
    return None


def _act(action, dataset, key):
    """Apply one of the package's actions; remove what it has no dummy value for."""
    empty_before = dataset[key].is_empty
    try:
        action(dataset, key)
    except NotImplementedError:
        del dataset[key]
    if empty_before and key in dataset and not dataset[key].is_empty:
        dataset[key].value = None  # an empty element had nothing to hide: no dummy date


def _replace_foreign_uids(element):
    """New UIDs also where the table has none, but for those that DICOM itself defines."""
    several = not isinstance(element.value, str)
    values = list(element.value or []) if several else [element.value]
    new = [v if not v or v.startswith(STANDARD) else package.get_UID(v) for v in values]
    if new != values:
        element.value = new if several else new[0]


def _clean_roi_name(dataset, key):
    """Keep a ROI's name if every word of it is an anatomical term, else empty it (Z)."""
    if not anatomical(str(dataset[key].value or "")):
        dataset[key].value = ""
