"""Every environment that the demo can run, in the order in which it does."""

from demo.plaza import PLAZA
from demo.studio import STUDIO

ENVIRONMENTS = (PLAZA, STUDIO)
