"""All formats of model classes that others have."""

from nas_search.results.export.native.exporter import NativeFormat
from nas_search.results.export.native.fla import FLA
from nas_search.results.export.native.granite import GRANITE
from nas_search.results.export.native.mamba import MAMBA, MAMBA2, NEMOTRON_H
from nas_search.results.export.native.qwen3_next import QWEN3_NEXT
from nas_search.results.export.native.transformer import TRANSFORMERS

NATIVE: tuple[NativeFormat, ...] = (*TRANSFORMERS, MAMBA, MAMBA2, NEMOTRON_H, GRANITE, QWEN3_NEXT, FLA)
