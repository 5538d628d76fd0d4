"""A Python that has LiteLLM, apart from ours: it wants other versions of what we use, and takes 190 MB."""

import hashlib
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parents[1] / "costs" / "litellm.lock"
_PLACE = Path(sys.prefix) / "litellm"
_PYTHON = _PLACE / "bin" / "python"


def python() -> Path:
    """Its interpreter; made the first time, and again when the lock has changed."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    ready = _PLACE / ".ready"
    if not ready.exists() or ready.read_text(encoding="utf-8") != digest:
        uv = str(Path(sys.prefix) / "bin" / "uv")
        _run(uv, "venv", "-q", "--clear", "-p", sys.executable, str(_PLACE))
        _run(uv, "pip", "install", "-q", "-p", str(_PYTHON), "--require-hashes", "-r", str(LOCK))
        ready.write_text(digest, encoding="utf-8")
    return _PYTHON


def prices() -> bytes:
    """The price file that came with it."""
    (found,) = _PLACE.glob("lib/*/site-packages/litellm/model_prices_and_context_window_backup.json")
    return found.read_bytes()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:3])}: {done.stderr.strip()[-500:]}")
