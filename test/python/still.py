"""The same without randomness in training."""

import toy

toy.RATE = 0.0
experiment = toy.experiment
