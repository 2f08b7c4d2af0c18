from __future__ import annotations

import subprocess
import sys

import pytest

import finscale.features


def test_every_public_name_is_there():
    assert "prove_causality" in dir(finscale.features)
    for name in dir(finscale.features):
        assert getattr(finscale.features, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'a20'"):
        _ = finscale.features.a20


def test_listing_features_loads_neither_talib_nor_torch():
    code = (
        "import sys, finscale.features as f; f.tier_features('a20');"
        "sys.exit(any(name in sys.modules for name in ('talib', 'torch', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
