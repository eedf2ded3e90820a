"""Batches that outgrow one machine: rows in the database as the checkpoint, workers of several kinds, one driver.

``plan`` lists what is to be done, ``run`` has it done by an executor; only the process that runs writes rows and log.
"""

from __future__ import annotations

from thsafe.batch.plan import plan_generation, plan_verification
from thsafe.batch.run import Summary, run_batch

__all__ = ["Summary", "plan_generation", "plan_verification", "run_batch"]
