"""What is shipped: one asset for each folder under `functions/`, and the layers that they share."""

from pathlib import Path

from aws_cdk import IgnoreMode
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import layers
from infra.choices import Choices

ROOT = layers.ROOT
NO_BYTECODE = ["**/__pycache__", "**/*.pyc"]


def code(folder: str) -> lambda_.Code:
    """The asset of one folder under `functions/`, with the import path that it has in this repository.

    The patterns start at the root: an unanchored `*` would silently leave nothing.
    """
    kept = ["!/functions", "/functions/*", "!/functions/__init__.py", f"!/functions/{folder}"]
    return lambda_.Code.from_asset(str(ROOT), ignore_mode=IgnoreMode.GIT, exclude=["/*", *kept, *NO_BYTECODE])


class Layers(Construct):
    """The layers, each built once for all functions.

    Attributes:
        core: `leadtrail`, our own rules and adapters.
        thirdparty: what every function may import beside boto3.
        speech: the recogniser and the audio decoder.
        model: the speech model, or None when it is read from elsewhere or was not fetched (`leadtrail model fetch`).
    """

    def __init__(self, scope: Construct, id: str, *, choices: Choices) -> None:
        """Build the layers for the runtime that `choices` names, or for this interpreter when it is local."""
        super().__init__(scope, id)
        self._choices = choices
        self._target = layers.Target.here() if choices.local else layers.Target(choices.python)
        self.core = self._layer("Core", self._source("layers/core"))
        self.thirdparty = self._layer("Thirdparty", self._installed("thirdparty"))
        self.speech = self._layer("Speech", self._installed("speech"))
        self.model = self._layer("Model", self._model()) if self._has_model() else None

    def _layer(self, name: str, content: lambda_.Code) -> lambda_.LayerVersion:
        return lambda_.LayerVersion(
            self,
            name,
            code=content,
            compatible_runtimes=[runtime(self._choices)],
            compatible_architectures=[lambda_.Architecture.X86_64],
        )

    def _source(self, folder: str) -> lambda_.Code:
        return lambda_.Code.from_asset(str(ROOT / folder), ignore_mode=IgnoreMode.GIT, exclude=NO_BYTECODE)

    def _installed(self, name: str) -> lambda_.Code:
        if self._choices.layers == "none":
            return lambda_.Code.from_asset(str(ROOT / "layers" / name))
        return lambda_.Code.from_asset(str(layers.build(name, self._target)))

    def _model(self) -> lambda_.Code:
        # The folder above is the asset, so that the model unpacks to /opt/model.
        return lambda_.Code.from_asset(str(ROOT / "layers"), ignore_mode=IgnoreMode.GIT, exclude=["/*", "!/model"])

    def _has_model(self) -> bool:
        elsewhere = self._choices.local or self._choices.model_path is not None
        return not elsewhere and is_model(ROOT / "layers" / "model")


def is_model(folder: Path) -> bool:
    """Whether a Vosk model lies here: its acoustic model is `am/final.mdl`, in models of old `final.mdl`."""
    return (folder / "am" / "final.mdl").exists() or (folder / "final.mdl").exists()


def runtime(choices: Choices) -> lambda_.Runtime:
    """The runtime by its name, so that a new one needs no new CDK."""
    return lambda_.Runtime(choices.runtime, lambda_.RuntimeFamily.PYTHON)
