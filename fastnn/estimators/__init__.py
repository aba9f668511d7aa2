"""scikit-learn estimators based on `fastnn.MLP`.

Importing this package imports scikit-learn (the extra ``sklearn``).

- `classifier`, `regressor`: the estimators. `base`: their base class. `lock`: one thread fits one.
- `fit`: one call of `fit`. `online`: `partial_fit`. `parameters`: scikit-learn's as fastnn's.
- `inputs`: X. `class_targets`, `number_targets`: y, and predictions from outputs.
- `networks`: the networks and what describes them. `ensemble`: means of their outputs.
- `bagging`, `folds`, `held_out`: rows to train on and to hold out. `early_stopping`: their scores.
- `calibration`: temperature scaling. `intervals`: CV+ intervals.
- `records`, `attributes`: fitted attributes, also after an error.
- `file`, `stored_parameters`: model files.
"""

from .classifier import MLPClassifier
from .regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
