"""How each verb is typed: one line of its help, in the same words everywhere.

A study is a file (``my_study.yaml``) before it has run, and its name (``my_study``) afterwards; a
run is the first digits of its id (``1a2b``).
"""

from __future__ import annotations

#: Verb → an example.
EXAMPLES: dict[str, str] = {
    "train": "finscale train threshold_1pct --budget 250k",
    "find-batch-size": "finscale find-batch-size threshold_1pct --budget 2M",
    "model list": "finscale model list",
    "model show": "finscale model show patchtst --budget 2M",
    "runs list": "finscale runs list --study my_study --sort test",
    "runs show": "finscale runs show 1a2b",
    "runs compare": "finscale runs compare 1a2b 3c4d",
    "runs gc": "finscale runs gc --older-than 90",
    "predict": "finscale predict 1a2b --last 5",
    "export": "finscale export 1a2b --onnx",
    "evaluate": "finscale evaluate 1a2b 3c4d",
    "audit": "finscale audit SP500",
    "plan": "finscale plan runs.csv --hours 10",
    "study new": "finscale study new my_study --axis parameters --symbols SPY --task direction",
    "study plan": "finscale study plan my_study.yaml",
    "study run": "finscale study run my_study.yaml (or a recipe: sp500_parameters --quick)",
    "study status": "finscale study status my_study",
    "study list": "finscale study list",
    "study report": "finscale study report my_study --paper",
    "study diff": "finscale study diff my_study my_other_study",
    "study export": "finscale study export my_study --out tables",
    "programme plan": "finscale programme plan seed --quick",
    "programme run": "finscale programme run seed --quick",
    "programme status": "finscale programme status seed --quick",
    "programme report": "finscale programme report seed --quick",
    "law fit": "finscale law fit runs.csv --x parameters --y loss",
    "law predict": "finscale law predict runs.csv --x parameters --at 1B --level .9",
    "law score": "finscale law score runs.csv --x parameters",
    "law curve": "finscale law curve runs.csv --along step --group run",
    "law isoflop": "finscale law isoflop runs.csv --x parameters --x tokens",
    "law decide": "finscale law decide runs.csv --sesoi 0.005",
    "law power": "finscale law power --days 750 --base-rate 0.3",
    "controls run": "finscale controls run flat",
    "data import": "finscale data import SPY.csv --symbol SPY",
    "data download": "finscale data download SP500 --source bundled",
    "data list": "finscale data list",
    "data show": "finscale data show SP500",
    "series import": "finscale series import CPIAUCSL.csv",
    "series fetch": "finscale series fetch CPIAUCSL UMCSENT",
    "series list": "finscale series list",
    "series show": "finscale series show CPIAUCSL",
    "series rules": "finscale series rules",
    "features list": "finscale features list --tier a200 --family volatility",
    "features show": "finscale features show ema_20_gap",
    "features quality": "finscale features quality SP500 --tier a500",
    "features build": "finscale features build SP500",
    "features prove": "finscale features prove --symbol SP500",
    "verify": "finscale verify",
}
