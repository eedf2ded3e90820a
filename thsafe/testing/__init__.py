"""What authors of plug-ins test their engines with; see :mod:`thsafe.testing.generator_contract`."""
