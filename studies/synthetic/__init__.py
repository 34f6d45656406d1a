"""The embedded sets of pictures: CT slices, X-rays and a material, all synthetic."""

from studies.synthetic.making import SETS, make_set
from studies.synthetic.tomography import material, tomogram

__all__ = ["SETS", "make_set", "material", "tomogram"]
