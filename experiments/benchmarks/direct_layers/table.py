"""The layer that computes the same as each of ours."""

from __future__ import annotations

from direct_layers.attention import DirectAttention, DirectFfn, DirectSlidingWindow
from direct_layers.layer import DirectLayer
from direct_layers.linear_memory import DirectDeltaNet, DirectGatedDeltaNet, DirectGla, DirectRwkv7
from direct_layers.state_space import DirectMamba, DirectMamba2
from nas_search.space.operators.attention.module import AttentionModule
from nas_search.space.operators.deltanet.module import DeltaNetModule
from nas_search.space.operators.ffn.module import FeedForwardModule
from nas_search.space.operators.gated_deltanet.module import GatedDeltaNetModule
from nas_search.space.operators.gla.module import GlaModule
from nas_search.space.operators.mamba.module import MambaModule
from nas_search.space.operators.mamba2.module import Mamba2Module
from nas_search.space.operators.module import Mixer
from nas_search.space.operators.rwkv7.module import Rwkv7Module
from nas_search.space.operators.sliding_window.module import SlidingWindowModule

DIRECT_LAYERS: dict[type[Mixer], type[DirectLayer]] = {
    AttentionModule: DirectAttention,
    SlidingWindowModule: DirectSlidingWindow,
    FeedForwardModule: DirectFfn,
    MambaModule: DirectMamba,
    Mamba2Module: DirectMamba2,
    DeltaNetModule: DirectDeltaNet,
    GatedDeltaNetModule: DirectGatedDeltaNet,
    GlaModule: DirectGla,
    Rwkv7Module: DirectRwkv7,
}
