"""What several model classes of others do in another way."""

import math

INNER_EPS = 1e-5
"""Of the norms in our recurrent operators."""
LAYER_EPS = 1e-6
"""Of the norms around layers, and of those of queries and keys."""
STREAM_SCALE = math.sqrt(INNER_EPS / LAYER_EPS)
"""Where a class has one eps for all norms it is the inner one: a larger residual stream makes up for it outside."""

ONE_EPS = (
    "The model class has one eps for all norms, nas-search's networks have two. Weights that write into the residual "
    "stream are therefore larger by the root of ten, which norms undo: the function is the same."
)
NO_CACHE = (
    "Without attention layers this class cannot decode on a cache in transformers 5.24, which takes the number of "
    "tokens read from such a layer. `use_cache` is then off in `config.json`: the tokens are the same, but every one "
    "reads the whole text again."
)
