"""What every kind of channel needs: its secret, and where people find that in the provider's own console.

docs/channels.md has the same for people; a test keeps the two equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from console.source_guide import Ask, Guide

_SIGN = Ask("secret", "加签密钥（SEC 开头）", is_needed=False)
GUIDES: Mapping[str, Guide] = MappingProxyType(
    {
        "wecom": Guide(
            "企业微信群机器人",
            "群聊 → 右上角“…” → 消息推送（群机器人） → 添加",
            "复制 Webhook 地址",
            asked=(Ask("url", "Webhook 地址"),),
        ),
        "dingtalk": Guide(
            "钉钉自定义机器人",
            "群设置 → 机器人 → 添加机器人 → 自定义",
            "安全设置选“加签”，复制 Webhook 地址与加签密钥",
            asked=(Ask("url", "Webhook 地址"), _SIGN),
        ),
        "feishu": Guide(
            "飞书自定义机器人",
            "群设置 → 群机器人 → 添加机器人 → 自定义机器人",
            "安全设置选“签名校验”，复制 Webhook 地址与签名密钥",
            asked=(Ask("url", "Webhook 地址"), Ask("secret", "签名密钥", is_needed=False)),
        ),
        "wecom-app": Guide(
            "企业微信应用消息",
            "管理后台 → 应用管理 → 自建 → 创建应用",
            "可见范围选要提醒的人，“企业可信IP”填部署输出的 EgressAddress",
            asked=(
                Ask("corp_id", "企业ID（ww 开头，在“我的企业”最下方）"),
                Ask("agent_id", "应用的 AgentId（数字）"),
                Ask("secret", "应用的 Secret"),
            ),
        ),
        "mail": Guide(
            "邮件",
            "亚马逊 SES 的已验证发件人，或任意 SMTP 服务",
            "用 SES 时只填发件地址；用 SMTP 时再填服务器、端口、用户与密码",
            asked=(
                Ask("from", "发件地址"),
                Ask("host", "SMTP 服务器（用 SES 则直接回车）", is_needed=False),
                Ask("port", "SMTP 端口（465 或 587）", is_needed=False),
                Ask("user", "SMTP 用户", is_needed=False),
                Ask("password", "SMTP 密码", is_needed=False),
            ),
        ),
    }
)
