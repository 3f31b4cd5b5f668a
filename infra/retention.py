"""How long things are kept, all in one place; docs/runbook.md shows the same numbers to operators.

The table's own expiry (`expires_at`; bodies of receipts: 30 days) is written by `leadtrail`, which knows the items.
"""

AUDIO_DAYS = 180
REPORT_DAYS = 90
RAW_DELIVERY_DAYS = 30
ACCESS_LOG_DAYS = 3 * 365
OLD_VERSION_DAYS = 30
ABANDONED_UPLOAD_DAYS = 2
DEAD_LETTER_DAYS = 14
"""The longest that SQS allows: a dead letter should outlive a holiday."""
