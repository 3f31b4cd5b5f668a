"""A cloud assembly onto the local emulator: what `cdk deploy` does, in a few calls of boto3 and with the same template.

Assets go where the assembly's manifest says, the template goes by URL, CloudFormation does the rest. Nothing of the
template is changed. What the emulator gets wrong from a template (CORS of an HTTP API) is set again afterwards.
"""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.ministack import REGION, LocalError

ACCOUNT = "000000000000"
BOOTSTRAP_VERSION = "30"
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
WAIT_S = 180.0
POLL_S = 0.25
DEPLOYED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
LOG_WORDS = ("ERROR", "WARNING", "failed", "Failed", "rror:")

Client = Callable[[str], Any]


class DeployError(LocalError):
    """The stack could not be made or changed; the message lists the reasons found."""


@dataclass(frozen=True, slots=True)
class Aws:
    """How a client reaches the emulator: the ``aws`` entry of stack.json."""

    endpoint: str
    region: str = REGION
    access_key_id: str = "test"
    secret_access_key: str = "test"  # noqa: S105 - the emulator's public root credentials

    def client(self, service: str) -> Any:
        """Return a boto3 client that reads nothing of this machine's AWS configuration or proxies."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=Config(signature_version="s3v4" if service == "s3" else None, proxies={}, read_timeout=300),
        )


@dataclass(frozen=True, slots=True)
class Asset:
    """One file or folder of the assembly, and the bucket and key that the template expects it at."""

    source: Path
    packaging: str
    bucket: str
    key: str

    def content(self) -> bytes:
        """Return what is uploaded: the file itself, or the folder as a zip."""
        return zipped(self.source) if self.packaging == "zip" else self.source.read_bytes()


@dataclass(frozen=True, slots=True)
class Assembly:
    """What a synthesis left behind for one stack; ``template_url`` names the template among the assets."""

    stack: str
    template: Mapping[str, Any]
    template_asset: Asset
    assets: tuple[Asset, ...]


def assembly(folder: Path) -> Assembly:
    """Read the assembly in ``folder``. Raises DeployError unless it holds exactly one stack with its template."""
    artifacts = json.loads((folder / "manifest.json").read_text())["artifacts"]
    stacks = [(name, one) for name, one in artifacts.items() if one["type"] == "aws:cloudformation:stack"]
    if len(stacks) != 1:
        raise DeployError(f"{folder} 里应当有且只有一个堆栈，实际有 {len(stacks)} 个")
    name, stack = stacks[0]
    template = folder / stack["properties"]["templateFile"]
    manifests = [one for one in artifacts.values() if one["type"] == "cdk:asset-manifest"]
    assets = tuple(asset for one in manifests for asset in _assets(folder, folder / one["properties"]["file"]))
    own = [asset for asset in assets if asset.source == template]
    if not own:
        raise DeployError(f"{template.name} 不在资产清单里，无法按地址部署")
    return Assembly(stack["properties"].get("stackName", name), json.loads(template.read_text()), own[0], assets)


def _assets(folder: Path, manifest: Path) -> Iterator[Asset]:
    for file in json.loads(manifest.read_text())["files"].values():
        if "path" not in file["source"]:
            raise DeployError(f"{manifest.name} 里有需要执行程序才能得到的资产，本地模式不支持")
        for destination in file["destinations"].values():
            bucket, key = _placed(destination["bucketName"]), _placed(destination["objectKey"])
            yield Asset(folder / file["source"]["path"], file["source"].get("packaging", "file"), bucket, key)


def _placed(text: str) -> str:
    places = {"${AWS::AccountId}": ACCOUNT, "${AWS::Region}": REGION, "${AWS::Partition}": "aws"}
    for token, value in places.items():
        text = text.replace(token, value)
    return text


def zipped(folder: Path) -> bytes:
    """Return the folder as a zip that depends on names, contents and executable bits only."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if file.stat().st_mode & 0o100 else 0o100644) << 16
            archive.writestr(entry, file.read_bytes())
    return buffer.getvalue()


def deploy(wanted: Assembly, *, aws: Aws, log: Path, client: Client | None = None) -> dict[str, str]:
    """Bring the stack to what the assembly says and return its outputs, by output key.

    Does as little as is needed: assets that are there already stay, an unchanged template is left alone. ``log`` is the
    emulator's, the only place where it says why a resource failed. Raises DeployError.
    """
    client = client or aws.client
    started_at = log.stat().st_size if log.exists() else 0
    upload(wanted.assets, s3=client("s3"))
    _bootstrap(wanted.template, ssm=lambda: client("ssm"))
    cloudformation = client("cloudformation")
    _change(wanted, cloudformation, url=f"{aws.endpoint}/{wanted.template_asset.bucket}/{wanted.template_asset.key}")
    stack = _settled(wanted.stack, cloudformation)
    if stack is None or stack["StackStatus"] not in DEPLOYED[:2]:
        raise DeployError(_reasons(wanted.stack, stack, cloudformation, log, started_at))
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    _allow_origins(wanted.template, outputs, apis=lambda: client("apigatewayv2"))
    return outputs


def upload(assets: tuple[Asset, ...], *, s3: Any) -> list[str]:
    """Put each asset at its place and return the keys that were new; keys are hashes of contents."""
    for bucket in sorted({asset.bucket for asset in assets}):
        _ensure_bucket(bucket, s3)
    new = [asset for asset in assets if not _is_there(asset, s3)]
    for asset in new:
        s3.put_object(Bucket=asset.bucket, Key=asset.key, Body=asset.content())
    return [asset.key for asset in new]


def _ensure_bucket(bucket: str, s3: Any) -> None:
    try:
        s3.create_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
            raise


def _is_there(asset: Asset, s3: Any) -> bool:
    try:
        s3.head_object(Bucket=asset.bucket, Key=asset.key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return True


def _bootstrap(template: Mapping[str, Any], *, ssm: Callable[[], Any]) -> None:
    """Answer the question of a default CDK template which version of the bootstrap stack it stands on."""
    parameter = template.get("Parameters", {}).get("BootstrapVersion")
    if parameter:
        ssm().put_parameter(Name=parameter["Default"], Value=BOOTSTRAP_VERSION, Type="String", Overwrite=True)


def _change(wanted: Assembly, cloudformation: Any, *, url: str) -> None:
    current = _settled(wanted.stack, cloudformation)
    if current is not None and current["StackStatus"] not in DEPLOYED:
        cloudformation.delete_stack(StackName=wanted.stack)
        current = _settled(wanted.stack, cloudformation)
    order = {
        "StackName": wanted.stack,
        "TemplateURL": url,
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    if current is None:
        cloudformation.create_stack(**order)
    elif _template(wanted.stack, cloudformation) != wanted.template:
        cloudformation.update_stack(**order)


def _template(stack: str, cloudformation: Any) -> Any:
    body = cloudformation.get_template(StackName=stack)["TemplateBody"]
    return json.loads(body) if isinstance(body, str) else body


def _settled(stack: str, cloudformation: Any) -> dict[str, Any] | None:
    """Wait until nothing is in progress and return the stack's description, or None when there is no such stack."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        found = _described(stack, cloudformation)
        if found is None or not str(found["StackStatus"]).endswith("IN_PROGRESS"):
            return found
        time.sleep(POLL_S)
    raise DeployError(f"堆栈 {stack} 在 {WAIT_S:.0f} 秒内没有部署完")


def _described(stack: str, cloudformation: Any) -> dict[str, Any] | None:
    try:
        stacks = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in error.response["Error"]["Message"]:
            return None
        raise
    return next((dict(one) for one in stacks if one["StackStatus"] != "DELETE_COMPLETE"), None)


def _reasons(name: str, stack: Mapping[str, Any] | None, cloudformation: Any, log: Path, started_at: int) -> str:
    status = stack["StackStatus"] if stack else "不存在"
    said = [str((stack or {}).get("StackStatusReason", ""))]
    if stack:
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        failed = [event for event in events if "FAILED" in event["ResourceStatus"]]
        said += [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}" for event in failed[:10]]
    lines = log.read_bytes()[started_at:].decode(errors="replace").splitlines() if log.exists() else []
    said += [line for line in lines if any(word in line for word in LOG_WORDS)][-15:]
    listed = "\n".join(f"  {line}" for line in said if line)
    return f"堆栈 {name} 部署失败（状态 {status}）。原因：\n{listed}\n改动较大时可以重新开始：make demo FRESH=1"


def _allow_origins(template: Mapping[str, Any], outputs: Mapping[str, str], *, apis: Callable[[], Any]) -> None:
    """Set the HTTP API's CORS rules again: the emulator loses them on their way from the template."""
    found = (one for one in template["Resources"].values() if one["Type"] == "AWS::ApiGatewayV2::Api")
    rules = next((one["Properties"].get("CorsConfiguration") for one in found), None)
    if rules and "ApiId" in outputs:
        apis().update_api(ApiId=outputs["ApiId"], CorsConfiguration=rules)
