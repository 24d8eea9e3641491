"""All formats."""

from nas_search.results.export.base import Exporter
from nas_search.results.export.hf.exporter import HuggingFaceExporter
from nas_search.results.export.native.formats import NATIVE
from nas_search.results.export.nemotron_flash.exporter import NemotronFlashExporter
from nas_search.results.export.onnx.exporter import OnnxExporter
from nas_search.results.export.recipe import RecipeExporter
from nas_search.results.export.yaml import YamlExporter

SPECIFICATIONS: tuple[Exporter, ...] = (YamlExporter(), RecipeExporter())
"""Formats without weights: for these alone no network is built, and none has to be there."""

EXPORTERS: tuple[Exporter, ...] = (
    *SPECIFICATIONS,
    HuggingFaceExporter(),
    NemotronFlashExporter(),
    *NATIVE,
    OnnxExporter(),
)
