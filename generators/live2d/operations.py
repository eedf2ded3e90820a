"""What a value does to its parameter, after the model's own motion and expression; known to parent and child."""

from typing import Final

SET: Final = 0
ADD: Final = 1
MULTIPLY: Final = 2
