"""What is shipped: one asset for each folder under `functions/`, and the layers that they share."""

from pathlib import Path

from aws_cdk import IgnoreMode
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import layers
from infra.choices import Choices

ROOT = layers.ROOT
MODELS = ROOT / "layers" / "model"
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
        model_path: the folder of the model as the function sees it.
    """

    def __init__(self, scope: Construct, id: str, *, choices: Choices) -> None:
        """Build the layers for the runtime that `choices` names, or for this interpreter when it is local."""
        super().__init__(scope, id)
        self._choices = choices
        self._target = layers.Target.here() if choices.local else layers.Target(choices.python)
        self.core = self._layer("Core", self._source("layers/core"))
        self.thirdparty = self._layer("Thirdparty", self._installed("thirdparty"))
        self.speech = self._layer("Speech", self._installed("speech"))
        self.model = self._model()
        model = find_model(MODELS)
        self.model_path = choices.model_path or (f"/opt/model/{model.name}" if model else "/opt/model")

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

    def _model(self) -> lambda_.LayerVersion | None:
        if self._choices.local or self._choices.model_path or not find_model(MODELS):
            return None
        # The folder above is the asset, so that the model unpacks below /opt/model.
        content = lambda_.Code.from_asset(str(MODELS.parent), ignore_mode=IgnoreMode.GIT, exclude=["/*", "!/model"])
        return self._layer("Model", content)


def find_model(folder: Path) -> Path | None:
    """Return the Vosk model that `leadtrail model fetch` left in this folder, or None.

    Raises:
        ValueError: several lie there, so that nobody can say which one is meant.
    """
    found = sorted(path.parent.parent for path in folder.glob("*/am/final.mdl"))
    if len(found) > 1:
        raise ValueError(f"{folder} holds several models: {', '.join(path.name for path in found)}; keep one")
    return found[0] if found else None


def runtime(choices: Choices) -> lambda_.Runtime:
    """The runtime by its name, so that a new one needs no new CDK."""
    return lambda_.Runtime(choices.runtime, lambda_.RuntimeFamily.PYTHON)
