"""Another kind of model on the command line, over a file written for PatchTST."""

import pytest

from finscale.config import ExperimentConfig, load_config
from finscale.errors import ConfigError


def load(root, *settings):
    return load_config(ExperimentConfig, root / "configs/daily/threshold_1pct.yaml", settings)


@pytest.mark.parametrize("kind", ["gru", "dlinear", "mlp", "itransformer"])
def test_what_only_patchtst_knows_falls_away(root, kind):
    model = load(root, f"model.kind={kind}").network
    assert model.kind == kind
    assert model.budget == 2_000_000


def test_what_both_know_stays(root):
    assert load(root, "model.kind=gru").network.dropout == load(root).network.dropout


def test_what_was_typed_is_refused_where_it_is_unknown(root):
    with pytest.raises(ConfigError, match="shape is not a setting"):
        load(root, "model.kind=gru", "model.shape=wide")
    with pytest.raises(ConfigError, match="no kind of model"):
        load(root, "model.kind=grru")
