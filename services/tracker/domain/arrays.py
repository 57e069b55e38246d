"""Names for the arrays that the tracker computes with."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
HalfArray = NDArray[np.float16]
VectorArray = NDArray[np.float32]
