"""Chromium without a window: a report is opened, measured and asked what went wrong."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finscale.config import ExperimentConfig, StudyConfig, load_config
from finscale.experiment import run_experiment
from finscale.report import write_findings
from finscale.runs import RunStore
from finscale.study import Study
from finscale.study.findings import Findings, find

#: Collects what went wrong, from the first script on.
_LISTEN = """
<script>
window.wrong = [];
for (const level of ["error", "warn"]) {
  const say = console[level].bind(console);
  console[level] = (...words) => { wrong.push(`${level}: ${words.join(" ")}`); say(...words); };
}
addEventListener("error", (e) => wrong.push(`error: ${e.message}`));
addEventListener("unhandledrejection", (e) => wrong.push(`rejected: ${e.reason}`));
addEventListener("securitypolicyviolation", (e) => wrong.push(`blocked: ${e.blockedURI}`));
</script>
"""

#: Measures the page once its figures are drawn and sends the result to the page round it.
_MEASURE = """
<script>
(async () => {
  const until = async (ready) => { while (!ready()) await new Promise((r) => setTimeout(r, 50)); };
  await until(() => document.body.dataset.drawn);
  await new Promise((r) => setTimeout(r, 600));
  const box = (e) => {
    const { left, top, right, bottom } = e.getBoundingClientRect();
    return [left, top, right, bottom];
  };
  const over = (a, b) => Math.min(a[2], b[2]) - Math.max(a[0], b[0]) > 1.5
    && Math.min(a[3], b[3]) - Math.max(a[1], b[1]) > 1.5;
  const name = (e) => `${e.tagName}.${e.getAttribute("class")}: ${e.textContent.slice(0, 40)}`;
  const pairs = (items) => items.flatMap((a, i) => items.slice(i + 1)
    .filter((b) => !a.contains(b) && !b.contains(a) && over(box(a), box(b)))
    .map((b) => `${name(a)} | ${name(b)}`));
  const found = { wrong, width: innerWidth, scroll: document.documentElement.scrollWidth };
  found.plots = [...document.querySelectorAll(".plot")].map((plot) => ({
    id: plot.id,
    marks: plot.querySelectorAll(".point, .js-line, .js-fill").length,
    wide: plot.querySelector("svg.main-svg")?.getBoundingClientRect().width,
    room: plot.clientWidth,
    ticks: plot.querySelectorAll(".xtick, .ytick").length,
    overlaps: [
      ...pairs([...plot.querySelectorAll(".xtick text")]),
      ...pairs([...plot.querySelectorAll(".ytick text")]),
      ...pairs([...plot.querySelectorAll(".annotation-text")]),
    ],
    cut: [...plot.querySelectorAll(".xtick text, .ytick text, .annotation-text")].filter((e) => {
      const [own, all] = [box(e), box(plot)];
      return own[0] < all[0] - 1 || own[2] > all[2] + 1 || own[3] > all[3] + 1;
    }).map(name),
  }));
  const blocks = [...document.querySelectorAll("h1, h2, h3, main p, .keys > div, .legend li, "
    + ".plot, summary, .scroll, pre, figcaption")].filter((e) => e.checkVisibility());
  found.overlaps = pairs(blocks);
  found.outside = blocks.filter((e) => box(e)[2] > innerWidth + 1).map(name);
  const term = document.querySelector(".term"), tip = document.getElementById("tip");
  term.focus();
  found.tip = { text: tip.textContent, shown: !tip.hidden, box: box(tip) };
  term.blur();
  found.tipGone = tip.hidden;
  const runs = [...document.querySelectorAll("tr[id^=run-]")];
  const plot = [...document.querySelectorAll(".plot")]
    .find((p) => p.data.some((t) => t.customdata));
  const trace = plot.data.find((t) => t.customdata);
  Plotly.Fx.hover(plot, [{ curveNumber: plot.data.indexOf(trace), pointNumber: 0 }]);
  await new Promise((r) => setTimeout(r, 300));
  found.hover = plot.querySelector(".hoverlayer").textContent;
  Plotly.Fx.unhover(plot);
  plot.emit("plotly_click", { points: [{ customdata: trace.customdata[0] }] });
  await new Promise((r) => setTimeout(r, 300));
  const row = document.querySelector("tr.found");
  found.click = { run: trace.customdata[0], row: row?.id, focused: document.activeElement === row,
    seen: row && box(row)[1] >= 0 && box(row)[1] < innerHeight, rows: runs.length };
  dispatchEvent(new Event("beforeprint"));
  found.printed = {
    closed: document.querySelectorAll("details:not([open])").length,
    wide: [...document.querySelectorAll(".plot")].map((p) => p.layout.width),
    ink: getComputedStyle(document.querySelector(".xtick text")).fill,
  };
  dispatchEvent(new Event("afterprint"));
  found.closedAgain = document.querySelectorAll("details:not([open])").length;
  found.h1 = document.querySelector("h1").textContent;
  found.title = document.title;
  found.background = getComputedStyle(document.body).backgroundColor;
  found.ink = getComputedStyle(document.querySelector(".xtick text")).fill;
  found.evil = window.evil ?? null;
  found.scripts = document.querySelectorAll("script").length;
  parent.postMessage(JSON.stringify(found), "*");
})();
</script>
"""

_ROUND = """<!doctype html><body style="margin:0"><iframe id="report" src="report.html"
style="width:{width}px; height:{height}px; border:0"></iframe>
<pre id="found"></pre><script>
addEventListener("message", (e) => {{ document.getElementById("found").textContent = e.data; }});
</script></body>"""


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's command."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium here: apt-get install chromium, or set it on the PATH")


Look = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def look(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Look:
    """Open a report at some width, light or dark, and return what was measured.

    A window is 500 pixels wide at least, so the page stands in a frame of the wanted width.
    """

    def measure(report: Path, *, width: int = 1280, dark: bool = False) -> dict[str, Any]:
        folder = tmp_path_factory.mktemp("browser")
        page = report.read_text(encoding="utf-8")
        page = page.replace("<title>", f"{_LISTEN}<title>", 1)
        page = page.replace("</body>\n</html>", f"{_MEASURE}</body>\n</html>")
        (folder / "report.html").write_text(page, encoding="utf-8")
        around = _ROUND.format(width=width, height=900)
        (folder / "around.html").write_text(around, encoding="utf-8")
        dump = _chromium(chromium, folder, dark=dark)
        found = re.search(r'<pre id="found">(.*?)</pre>', dump, re.DOTALL)
        assert found, dump[-2000:]
        content: dict[str, Any] = json.loads(html.unescape(found[1]))
        return content

    return measure


def _chromium(command: str, folder: Path, *, dark: bool) -> str:
    quiet = ("gpu", "quic", "background-networking", "component-update", "sync", "dev-shm-usage")
    done = subprocess.run(
        [
            command,
            "--headless",
            "--no-sandbox",
            "--no-first-run",
            *(f"--disable-{name}" for name in quiet),
            f"--user-data-dir={folder / 'profile'}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            "--window-size=1400,1000",
            "--virtual-time-budget=30000",
            "--dump-dom",
            (folder / "around.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done.stdout


def _settings(data: Path) -> list[str]:
    return [
        "model.budget=3k",
        "training.epochs=2",
        "training.batch_size=256",
        "training.threads=1",
        "training.thermal.enabled=false",
        f"data.root={data}",
    ]


def _finished(config: StudyConfig, folder: Path) -> Study:
    """Run a study in this process: workers would each import torch for a second of training."""
    study = Study(config, studies=folder / "studies", runs=RunStore(folder / "runs"))
    study.registration.register()
    for planned in study.missing():
        run_experiment(planned.cell.config, runs=study.runs)
    return study


#: What somebody might write into a study file.
QUESTION = "Does <script>window.evil = 1</script> pay 5 % & more, $x_1$ or `a|b`?"


@pytest.fixture(scope="session")
def study(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A finished study: four sizes, two seeds, three baselines, real bars."""
    folder = tmp_path_factory.mktemp("study")
    path = root / "configs" / "daily" / "threshold_1pct.yaml"
    config = StudyConfig(
        name="tiny",
        question=QUESTION,
        experiment=load_config(ExperimentConfig, path, _settings(folder / "data")),
        axes={"parameters": (3_000, 5_000, 9_000, 15_000)},
        seeds=(0, 1),
    )
    return _finished(config, folder)


@pytest.fixture(scope="session")
def findings(study: Study) -> Findings:
    """What the finished study found."""
    return find(study)


@pytest.fixture(scope="session")
def report(findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished study's report, on disk."""
    return write_findings(findings, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def horizons(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """Two horizons: sizes that ask different questions."""
    folder = tmp_path_factory.mktemp("horizons")
    path = root / "configs" / "daily" / "threshold_1pct.yaml"
    config = StudyConfig(
        name="horizons",
        experiment=load_config(ExperimentConfig, path, _settings(folder / "data")),
        axes={"horizon": (1, 5)},
        seeds=(0, 1),
        baselines=("base_rate",),
    )
    return find(_finished(config, folder))


@pytest.fixture(scope="session")
def regression(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """A number instead of a class, two folds, two sizes of the window, one seed: no verdict."""
    folder = tmp_path_factory.mktemp("regression")
    settings = [
        *_settings(folder / "data"),
        "task.name=regression",
        "split.method=walk_forward",
        "split.folds=2",
        "training.epochs=1",
    ]
    path = root / "configs" / "daily" / "threshold_1pct.yaml"
    config = StudyConfig(
        name="returns",
        experiment=load_config(ExperimentConfig, path, settings),
        axes={"parameters": (3_000, 5_000), "context_length": (40, 80)},
        seeds=(0,),
        baselines=("base_rate",),
    )
    return find(_finished(config, folder))


@pytest.fixture(scope="session")
def compared(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two architectures at two sizes, of which one has no model of the smaller."""
    folder = tmp_path_factory.mktemp("compared")
    path = root / "configs" / "daily" / "threshold_1pct.yaml"
    config = StudyConfig(
        name="compared",
        question="Is it size, or PatchTST?",
        experiment=load_config(ExperimentConfig, path, _settings(folder / "data")),
        architectures=("patchtst", {"kind": "mlp", "depth": 2}),
        axes={"parameters": (600, 3_000)},
        seeds=(0, 1),
        baselines=("base_rate", "volatility", "logistic"),
    )
    return _finished(config, folder)
