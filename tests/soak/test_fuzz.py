"""Coverage-guided fuzzing of the parsers that strangers reach: no crash, no hang, bounded memory."""

import subprocess
import sys
from pathlib import Path

import pytest

FUZZER = Path(__file__).parent / "fuzz.py"


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("target", ["envelope", "event", "decompression"])
def test_the_fuzzer_finds_nothing(target: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """One input may take 20 s at most, and all together 1 GiB. `--fuzz-seconds` says how long to look."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    seconds = request.config.getoption("--fuzz-seconds", 600)
    limits = ["-timeout=20", "-rss_limit_mb=1024", "-max_len=65536", f"-max_total_time={seconds}"]
    command = [sys.executable, FUZZER, target, corpus, *limits, f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(target, *done.stderr.strip().splitlines()[-1:])
    assert done.returncode == 0, done.stderr[-3000:]
