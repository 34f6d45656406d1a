"""What tests of the loader ask of a series: refused for a reason, or loaded whole."""

import numpy as np
import pytest
from dicom_factory import expected_hu

from utils.dicom.reader import read_series
from utils.errors import InputError


def refusal(folder, **options):
    """Message of the error that read_series raises; it names the case and says what is intact."""
    with pytest.raises(InputError) as caught:
        read_series(folder, **options)
    message = str(caught.value)
    assert message.startswith(f"{folder.name}: ")
    assert message.endswith("; nothing was written.")
    return message


def assert_whole(volume, count=5):
    assert volume.hu.dtype == np.int16
    np.testing.assert_array_equal(volume.hu, expected_hu(count))
