"""imbalance_tf: a lab on class imbalance in image segmentation.

The public names stand in ``__init__.pyi``. Each is imported when it is first used, so that reading
scans or asking for help never waits for TensorFlow.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
