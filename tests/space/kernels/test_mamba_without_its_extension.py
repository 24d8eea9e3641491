"""mamba-ssm where its compiled extension does not load: the kernels in Triton are there all the same."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas_search.space.kernels import mamba_ssm
from nas_search.space.kernels.registry import Kernel


class TestMambaWithoutItsExtension:
    """A package on disk that imports its extension at once, as the real one does."""

    @pytest.fixture(autouse=True)
    def installed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        for module, text in {
            "mamba_ssm/__init__.py": "import selective_scan_cuda\nassert selective_scan_cuda.__spec__ is not None\n",
            "mamba_ssm/ops/__init__.py": "",
            "mamba_ssm/ops/selective_scan_interface.py": "selective_scan_fn = None\n",
            "mamba_ssm/ops/triton/__init__.py": "",
            "mamba_ssm/ops/triton/selective_state_update.py": "selective_state_update = None\n",
            "mamba_ssm/ops/triton/ssd_combined.py": "mamba_chunk_scan_combined = None\n",
        }.items():
            path = tmp_path / module
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        self.forget()
        yield
        self.forget()

    @staticmethod
    def forget() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] in {"mamba_ssm", mamba_ssm.EXTENSION}]:
            del sys.modules[name]

    @pytest.mark.parametrize(
        "kernel", [mamba_ssm.STATE_SPACE_SCAN, mamba_ssm.STATE_SPACE_STEP, mamba_ssm.SELECTIVE_STEP]
    )
    def test_the_triton_kernels_load(self, kernel: Kernel) -> None:
        assert callable(kernel.load())
        assert mamba_ssm.EXTENSION not in sys.modules

    def test_the_compiled_kernel_does_not(self) -> None:
        mamba_ssm.STATE_SPACE_SCAN.load()
        with pytest.raises(ImportError, match="selective_scan_cuda"):
            mamba_ssm.SELECTIVE_SCAN.load()

    def test_an_extension_that_is_there_stays(self, tmp_path: Path) -> None:
        (tmp_path / "selective_scan_cuda.py").write_text("real = True\n")
        mamba_ssm.STATE_SPACE_SCAN.load()
        assert sys.modules[mamba_ssm.EXTENSION].real
        assert callable(mamba_ssm.SELECTIVE_SCAN.load())
