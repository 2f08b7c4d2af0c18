"""Another kind of model on the command line, over a file written for PatchTST."""

import pytest

from finscale.config import ExperimentConfig, StudyConfig, load_config
from finscale.errors import ConfigError
from finscale.models import ARCHITECTURES


def load(root, *settings):
    return load_config(ExperimentConfig, root / "configs/daily/threshold_1pct.yaml", settings)


@pytest.mark.parametrize("kind", ["gru", "dlinear", "mlp", "itransformer"])
def test_what_only_patchtst_knows_falls_away(root, kind):
    model = load(root, f"model.kind={kind}").network
    assert model.kind == kind
    assert model.budget == 2_000_000


def test_a_setting_of_the_same_name_is_the_new_kinds_own(root):
    gru = ARCHITECTURES["gru"].config(budget=5000)
    assert load(root).network.dropout != gru.dropout
    assert load(root, "model.kind=gru").network.dropout == gru.dropout
    assert load(root, "model.dropout=0.2", "model.kind=gru").network.dropout == 0.2


def test_what_all_networks_share_stays_and_a_baseline_shares_nothing(root):
    assert load(root, "model.linear_path=none", "model.kind=gru").network.linear_path == "none"
    model = load(root, "model.kind=baseline", "model.name=logistic").model
    assert model.name == "logistic"


def test_a_file_laid_over_another_may_change_the_kind_too(root, tmp_path):
    base = root / "configs/daily/threshold_1pct.yaml"
    study = tmp_path / "study.yaml"
    study.write_text(f"""
name: other
question: Is it size?
experiment: {{base: {base}, model: {{kind: gru}}}}
axes: {{parameters: [5k, 10k]}}
""")
    model = load_config(StudyConfig, study).experiment.network
    assert model.kind == "gru"
    assert model.budget == 2_000_000


def test_what_was_typed_is_refused_where_it_is_unknown(root):
    with pytest.raises(ConfigError, match="shape is not a setting"):
        load(root, "model.kind=gru", "model.shape=wide")
    with pytest.raises(ConfigError, match="no kind of model"):
        load(root, "model.kind=grru")
