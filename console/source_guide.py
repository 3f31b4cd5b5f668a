"""What every provider needs to become a source: its secrets, and what is entered where in the provider's own console.

docs/sources.md has the same table for people; a test keeps the two equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

TOKEN = "token_sha256"  # noqa: S105 - a field's name; the token itself is shown once and kept nowhere
_NO_CHECK = "地址末尾的令牌就是凭证，请勿公开"


@dataclass(frozen=True, slots=True)
class Ask:
    """One field of a secret that the provider's console gives; ``title`` is what people call it."""

    key: str
    title: str
    is_needed: bool = True


@dataclass(frozen=True, slots=True)
class Guide:
    """How one provider is connected.

    ``drawn`` is the form of the signing secret that we choose (`whsec` or `letters`); ``asked`` comes from the
    provider. Without a signature (``is_open``) the address carries a token, of which we keep the SHA-256.
    ``menu`` is the way through the provider's console, ``enter`` what is entered there besides the address.
    """

    title: str
    menu: str
    enter: str
    is_open: bool = False
    drawn: str | None = None
    asked: tuple[Ask, ...] = ()
    hosts: tuple[str, ...] = ()

    @property
    def secret_fields(self) -> tuple[str, ...]:
        """The fields of one value of the source's secret, those that can be left out last."""
        own = ((TOKEN,) if self.is_open else ()) + (("secret",) if self.drawn else ())
        return own + tuple(f"{ask.key}?" if not ask.is_needed else ask.key for ask in self.asked)


_LOGIN = (
    Ask("recording_user", "录音下载的用户名（API Key SID）", is_needed=False),
    Ask("recording_password", "录音下载的密码（API Key Secret）", is_needed=False),
)
GUIDES: Mapping[str, Guide] = MappingProxyType(
    {
        "standard": Guide(
            "Standard Webhooks / Svix",
            "Endpoints → Add Endpoint",
            "签名密钥填 whsec_ 开头的一行；若密钥由对方生成，用 --secret-from-file 交给本命令",
            drawn="whsec",
        ),
        "typeform": Guide(
            "Typeform",
            "Connect → Webhooks → Add a webhook",
            "Secret 填密钥一行，并打开 Webhook 的开关",
            drawn="letters",
        ),
        "tally": Guide("Tally", "Integrations → Webhooks → Connect", "Signing secret 填密钥一行", drawn="letters"),
        "jiandaoyun": Guide(
            "简道云",
            "编辑表单 → 扩展功能 → 数据推送",
            "Secret 填密钥一行；推送事件勾选“有新数据提交时推送”",
            drawn="letters",
        ),
        "jinshuju": Guide("金数据", "表单设置 → 数据推送", _NO_CHECK, is_open=True),
        "wjx": Guide(
            "问卷星",
            "问卷设置 → 数据推送API",
            f"勾选“失败自动重发”；{_NO_CHECK}",
            is_open=True,
            asked=(Ask("secret", "推送密钥（由问卷星客服提供）", is_needed=False),),
        ),
        "hubspot": Guide(
            "HubSpot",
            "App → Webhooks → Target URL",
            "订阅 contact.creation、contact.propertyChange、contact.deletion",
            asked=(Ask("secret", "应用的 Client secret"), Ask("access_token", "读取联系人的 Access token")),
        ),
        "wecom": Guide(
            "企业微信",
            "客户联系 → API → 接收事件服务器",
            "Token 与 EncodingAESKey 用刚才交给本命令的两项；等一分钟再点“保存”，企业微信会当场核对地址",
            asked=(
                Ask("token", "Token"),
                Ask("encoding_aes_key", "EncodingAESKey（43个字符）"),
                Ask("corp_id", "企业ID（ww 开头）"),
                Ask("contact_secret", "客户联系的 Secret，用于补全客户资料", is_needed=False),
            ),
        ),
        "tencent_ccc": Guide(
            "腾讯云联络中心",
            "功能配置 → 数据推送设置 → 修改",
            f"认证方式选“无鉴权”，打开“CDR 数据”和“录音数据”；{_NO_CHECK}",
            is_open=True,
            hosts=(".myqcloud.com",),
        ),
        "aliyun": Guide(
            "阿里云语音服务",
            "通用管理 → 订阅回执消息 → HTTP批量推送模式",
            f"订阅 VoiceReport 和 VoiceRecordReport；{_NO_CHECK}",
            is_open=True,
            hosts=(".aliyuncs.com",),
        ),
        "tinet": Guide("天润融通", "话单推送（由天润的客户经理开通）", _NO_CHECK, is_open=True),
        "twilio": Guide(
            "Twilio",
            "Phone Numbers → Active numbers → Voice → Call status changes",
            "转接的通话在 <Number> 上填 statusCallback，录音在 <Dial> 上填 recordingStatusCallback，都是同一个地址",
            asked=(Ask("secret", "Auth Token"), *_LOGIN),
            hosts=("api.twilio.com",),
        ),
        "generic_cdr": Guide("其他呼叫系统", "话单推送", f"字段名用 --field 对应；{_NO_CHECK}", is_open=True),
    }
)
