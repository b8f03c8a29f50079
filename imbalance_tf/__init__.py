"""imbalance_tf: a lab on class imbalance in image segmentation.

The public names stand in ``__init__.pyi``. Each is imported when it is first used, so that reading
scans or asking for help never waits for TensorFlow.
"""

import os
import sys

import lazy_loader

# A process without a console (pythonw) has no streams; tqdm and Keras write to them all the same.
for _name in ("stdout", "stderr"):
    if getattr(sys, _name) is None:
        setattr(sys, _name, open(os.devnull, "w"))  # noqa: SIM115

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
