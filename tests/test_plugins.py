"""Entry points of installed packages extend the registries, in every process."""

from __future__ import annotations

import pytest

from finscale.errors import FinscaleError
from finscale.registry import Names, Registry

TASK = """
from finscale.data.targets import TASKS, Task

def label(prices, task):
    close = prices["close"]
    return (close[task.horizon:] < close[:-task.horizon]).astype(float)

def register():
    TASKS.add("falls", Task(label, lambda task: "yes if it falls", inputs=("close",)))
"""
CHECK = """
import finscale as fs
print(fs.ExperimentConfig(task={"name": "falls"}).task.kind)
"""


@pytest.fixture
def place(installed):
    return installed()


def test_a_name_of_a_plugin_is_found_when_a_config_holds_it(place):
    place.distribution("falling", {"falls": "falling:register"}, {"falling": TASK})
    done = place.python("-c", CHECK)
    assert done.stdout == "classification\n", done.stderr


def test_a_module_that_registers_on_import_needs_no_function(place):
    place.distribution("falling", {"falls": "falling"}, {"falling": f"{TASK}\nregister()\n"})
    assert place.python("-c", CHECK).returncode == 0


def test_a_script_names_modules_in_the_environment(place):
    (place.folder / "mine.py").write_text(f"{TASK}\nregister()\n", encoding="utf-8")
    done = place.python("-c", CHECK, FINSCALE_PLUGINS="mine")
    assert done.stdout == "classification\n", done.stderr
    done = place.python("-c", CHECK, FINSCALE_PLUGINS="absent")
    assert "plugin 'absent' of FINSCALE_PLUGINS could not be loaded (ModuleNotFound" in done.stderr
    assert "is not a task" in done.stderr


def test_a_plugin_that_fails_is_one_sentence_and_the_others_are_loaded(place):
    place.distribution("broken", {"a_first": "broken"}, {"broken": "import nothing_like_it"})
    place.distribution(
        "taken",
        {"b_second": "taken"},
        {"taken": TASK.replace("falls", "direction") + "\nregister()\n"},
    )
    place.distribution("falling", {"falls": "falling:register"}, {"falling": TASK})
    done = place.finscale("model", "show", "3k")
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    assert warnings == [
        "warning: plugin 'a_first' of broken 1.2 could not be loaded (ModuleNotFoundError: No "
        "module named 'nothing_like_it'); what it declares is not known.",
        "warning: plugin 'b_second' of taken 1.2 could not be loaded (ValueError: task 'direction' "
        "is registered already); what it declares is not known.",
    ]
    assert place.python("-c", CHECK).stdout == "classification\n"


def test_importing_a_config_imports_neither_plugins_nor_torch(place):
    place.distribution("loud", {"loud": "loud"}, {"loud": "raise SystemExit('loaded')"})
    code = "import sys, finscale as fs; fs.ExperimentConfig(); print('torch' in sys.modules)"
    assert place.python("-c", code).stdout == "False\n"


def test_names_know_what_is_built_in_and_what_is_added():
    names = Names("colour", ["red", "blue"])
    assert names.check("red") == "red"
    with pytest.raises(ValueError, match=r"is not a colour \(nearest: red; known: red, blue\)"):
        names.check("rad")
    colours = Registry[int]("colour", added=names.add)
    colours.add("rad", 3)
    assert names.check("rad") == "rad"
    assert list(names) == ["red", "blue", "rad"]
    assert names.built_in == ("red", "blue")
    with pytest.raises(FinscaleError, match="'red' is not a colour"):
        colours["red"]
