"""The folder on a machine that has PyTorch and transformers, and nothing of ours."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from exported import Pair, tokens

NOTATION = "w32 meta=2 a swa m m2 d gd gla r7 f"
# Packages are not installed where no finder finds them. Transformers asks for some of these and does without.
SCRIPT = """
import importlib.util, json, sys

HIDDEN = {"nas_search", "pydantic", "einops", "triton", "fla", "optuna", "pandas", "scipy", "mamba_ssm", "flash_attn"}

class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in HIDDEN else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
assert not [name for name in HIDDEN if importlib.util.find_spec(name)]

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained(sys.argv[1], trust_remote_code=True)
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1], trust_remote_code=True)
prompt = torch.tensor(json.loads(sys.argv[2]))
torch.manual_seed(5)
with torch.no_grad():
    logits = model(prompt).logits[:, -1].tolist()
found = {
    "greedy": model.generate(prompt, max_new_tokens=8, do_sample=False).tolist(),
    "sampled": model.generate(prompt, max_new_tokens=8).tolist(),
    "logits": logits,
    "text": tokenizer.decode(tokenizer("naïve").input_ids),
    "loaded": sorted(HIDDEN & {name.partition(".")[0] for name in sys.modules}),
}
print(json.dumps(found))
"""


def test_loads_and_generates_as_here(pair: Callable[..., Pair], tmp_path: Path) -> None:
    both, prompt = pair(NOTATION), tokens(2, 20)
    environment = os.environ | {"HF_HOME": str(tmp_path), "PYTHONPATH": "", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", SCRIPT, str(both.folder), json.dumps(prompt.tolist())]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.strip().rpartition("\n")[2])
    assert found["loaded"] == [] and found["text"] == "naïve"
    assert found["greedy"] == both.ours.generate(prompt, 8, temperature=0).tolist()
    assert found["sampled"] == both.ours.generate(prompt, 8, temperature=0.8, seed=5).tolist()
    with torch.no_grad():
        torch.testing.assert_close(torch.tensor(found["logits"]), both.ours(prompt)[:, -1], rtol=0, atol=1e-5)
