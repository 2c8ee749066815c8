"""A layout that no model may have: two tensors of one name."""

import workspace
from entente import define_experiment


class Twice(workspace.Line):
    tensors = [("w", [1]), ("w", [1])]


experiment = define_experiment(model=lambda context: None, adapter=Twice)
