"""Timing short pieces of GPU work as they will be used: replayed from CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

import torch
from torch import Tensor

WARM_UPS = 5
REPETITIONS = 40


def time_in_graphs(runs: Sequence[Callable[[], Tensor]]) -> list[float]:
    """Median milliseconds of each run on the current GPU, taken in turns.

    Before each replay a buffer twice as large as the second-level cache is overwritten: in a network, a layer's weights
    have been evicted by those of the other layers. It also gives the host time to queue the replay, so that the events
    around it measure the device alone.
    """
    from nas_search.space.decode_graph import cuda_capture

    device = torch.device("cuda", torch.cuda.current_device())
    capture = cuda_capture(device)
    replays = [capture(run, run) for run in runs]
    evicted = torch.empty(2 * torch.cuda.get_device_properties(device).L2_cache_size, dtype=torch.uint8, device=device)
    taken: list[list[tuple[torch.Event, torch.Event]]] = [[] for _ in replays]
    for _ in range(WARM_UPS + REPETITIONS):
        for replay, events in zip(replays, taken, strict=True):
            before, after = (torch.Event(device, enable_timing=True) for _ in range(2))
            evicted.zero_()
            before.record()
            replay()
            after.record()
            events.append((before, after))
    torch.cuda.synchronize(device)
    return [median(before.elapsed_time(after) for before, after in events[WARM_UPS:]) for events in taken]
