"""What runs inside an agency's container: the door to its data, the faults it can be told to have, and its counts.

``faults``, ``ledger``, ``control``, ``server`` and ``wire`` need the standard library and h11 only, because they run
beside a database server too; ``rest`` and its parts need pydantic.
"""
