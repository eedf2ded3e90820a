"""The visible label: drawn into every frame it belongs to, and measured again in the finished file.

Nothing here removes a label.
"""

from thsafe.label.measure import LabelMeasure, measure_label
from thsafe.label.stamp import LabelStamp

__all__ = ["LabelMeasure", "LabelStamp", "measure_label"]
