"""The ways in which LiteLLM can be told to load the hook, tried with LiteLLM's own loader."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

from exporters.hooks.litellm import tocsin_litellm
from tests.support.litellm_versions import environment

SHIM: Final = "from tocsin_litellm import hook\n"
"""The file beside config.yaml for LiteLLM that does not import installed packages."""
PACKAGE, SHIMMED, COPIED = "package", "shim", "copy"
LOADS: Final = (PACKAGE, SHIMMED, COPIED)

MODULE: Final = Path(tocsin_litellm.__file__)
_CODE: Final = """
import sys
from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy.types_utils.utils import get_instance_fn
hook = get_instance_fn(sys.argv[1], sys.argv[2])
assert isinstance(hook, CustomLogger) and callable(hook.async_log_success_event), type(hook)
"""


def load(folder: Path, version: str, load: str) -> str:
    """Load the hook in one way in a process of its own; what went wrong, or "".

    Args:
        folder: An empty one, for the files beside config.yaml.
        version: Of LiteLLM.
        load: One of LOADS.
    """
    folder.mkdir(parents=True)
    name = "tocsin_litellm"
    if load == SHIMMED:
        name = "tocsin_hook"
        (folder / f"{name}.py").write_text(SHIM)
    elif load == COPIED:
        (folder / f"{name}.py").write_bytes(MODULE.read_bytes())
    installed = {} if load == COPIED else {"PYTHONPATH": str(MODULE.parent)}
    kept = {known: os.environ[known] for known in ("PATH", "HOME", "LANG", "TMPDIR") if known in os.environ}
    done = subprocess.run(
        [environment(version) / "bin" / "python", "-c", _CODE, f"{name}.hook", str(folder / "config.yaml")],
        cwd=folder,
        env=kept | installed | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "TOCSIN_HOOK_FOLDER": str(folder / "records")},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    return "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]
