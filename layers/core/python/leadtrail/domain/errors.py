"""Every named refusal of Leadtrail, drawn once.

LeadtrailError
├── InvalidInputError        422 invalid-input: a field makes no sense; names it
│   ├── PolicyInvalidError   422 policy-invalid
│   └── RecordingRefusedError 422 recording-refused
├── MalformedBodyError       400 malformed-body: not the JSON or XML that we read
├── BodyTooLargeError        413 body-too-large
├── UnauthenticatedError     401 unauthenticated: forged, stale or unsigned; says nothing more
├── ForbiddenError           403 forbidden: the role may not do this at all
├── NotFoundError            404 not-found: absent, or not the caller's to see
├── IdempotencyMismatchError 409 idempotency-mismatch
├── AlreadyMergedError       409 already-merged: the lead became part of another, which is named
├── LeadClosedError          409 lead-closed: only open leads are merged, given away, paused or closed
├── LeadOpenError            409 lead-open: only closed leads are reopened
├── NotMergedError           409 not-merged: there is no merge to undo
├── TooMuchToMergeError      409 too-much-to-merge: more identities than one transaction moves
├── MergeNeededError         409 merge-needed: a number or address is another person's
├── AlreadyOwnerError        409 already-owner: nothing to change
├── LinkGoneError            410 link-gone: expired or revoked
├── StaleLeadError           409 stale-lead: somebody else changed the lead first
└── BusyError                503 busy: the table cannot take it now; try again

The edge answers ``application/problem+json`` (RFC 9457) with ``code``, ``title`` and ``facts``.
"""

from __future__ import annotations

from typing import ClassVar


class LeadtrailError(Exception):
    """A refusal that the product has a word for; ``facts`` go to the wire beside ``code``."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "系统内部错误"

    def __init__(self, detail: str = "", **facts: object) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.facts = facts

    def problem(self) -> dict[str, object]:
        """Return the RFC 9457 object: type, title, status, code, detail and the facts."""
        return {
            "type": f"/problems/{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            **({"detail": self.detail} if self.detail else {}),
            **self.facts,
        }


class InvalidInputError(LeadtrailError):
    """A value makes no sense; ``field`` is its path, ``rule`` what it breaks."""

    code, status, title = "invalid-input", 422, "提交的内容有误"

    def __init__(self, field: str, rule: str, **facts: object) -> None:
        super().__init__(f"{field}: {rule}", field=field, rule=rule, **facts)


class PolicyInvalidError(InvalidInputError):
    """A policy that no clock could follow."""

    code, title = "policy-invalid", "时限规则有误"


class RecordingRefusedError(InvalidInputError):
    """An upload that the policy does not let in: no consent, wrong type, wrong size."""

    code, title = "recording-refused", "录音不符合上传要求"


class MalformedBodyError(LeadtrailError):
    """The body is not the JSON, form or XML that this address reads."""

    code, status, title = "malformed-body", 400, "请求内容无法解析"


class BodyTooLargeError(LeadtrailError):
    """The body is over the limit of 256 KB."""

    code, status, title = "body-too-large", 413, "请求内容超过上限"


class UnauthenticatedError(LeadtrailError):
    """Forged, stale or unsigned; the answer carries no detail."""

    code, status, title = "unauthenticated", 401, "身份验证失败"


class ForbiddenError(LeadtrailError):
    """The caller's role may not do this, whatever the object."""

    code, status, title = "forbidden", 403, "没有权限执行此操作"


class NotFoundError(LeadtrailError):
    """Absent, or not the caller's to see: the answer is the same."""

    code, status, title = "not-found", 404, "没有找到"


class IdempotencyMismatchError(LeadtrailError):
    """The same Idempotency-Key came with another body."""

    code, status, title = "idempotency-mismatch", 409, "幂等键已用于不同的请求"


class StaleLeadError(LeadtrailError):
    """Somebody else changed the lead between our read and our write, more often than we retry."""

    code, status, title = "stale-lead", 409, "线索刚被他人更新，请重试"


class AlreadyMergedError(LeadtrailError):
    """The lead has become part of another one, which ``merged_into`` names."""

    code, status, title = "already-merged", 409, "线索已并入另一条线索"


class LeadClosedError(LeadtrailError):
    """Nobody works on a closed lead: it is reopened first."""

    code, status, title = "lead-closed", 409, "线索已经关闭"


class LeadOpenError(LeadtrailError):
    """Only a closed lead can be reopened."""

    code, status, title = "lead-open", 409, "线索没有关闭"


class NotMergedError(LeadtrailError):
    """There is no merge of these two leads to undo."""

    code, status, title = "not-merged", 409, "这两条线索没有合并过"


class TooMuchToMergeError(LeadtrailError):
    """More identities than one transaction moves."""

    code, status, title = "too-much-to-merge", 409, "联系方式太多，无法一次合并"


class MergeNeededError(LeadtrailError):
    """A number or address is another person's; ``lead`` names theirs where the caller may see it."""

    code, status, title = "merge-needed", 409, "这个联系方式属于另一个人，需要先合并线索"


class AlreadyOwnerError(LeadtrailError):
    """The lead is theirs already; nothing was changed."""

    code, status, title = "already-owner", 409, "线索已由此人负责"


class LinkGoneError(LeadtrailError):
    """A report link that was valid once: expired or revoked."""

    code, status, title = "link-gone", 410, "链接已失效"


class BusyError(LeadtrailError):
    """The table cannot take the write now."""

    code, status, title = "busy", 503, "系统繁忙，请稍后重试"
