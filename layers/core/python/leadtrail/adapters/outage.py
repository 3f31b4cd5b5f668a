"""Outages: what says that AWS does not take it now, or not like this."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from leadtrail.domain.errors import BusyError

OUTAGES = (BusyError, ClientError, BotoCoreError)
"""Whoever has a queue puts it there, where it is tried again and in the end seen by a person."""
