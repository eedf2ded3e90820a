"""Which outputs exist, under whose consent, meeting which rules: measured again and reported.

``run`` does the audit, ``html`` and ``export`` write it down.
"""
