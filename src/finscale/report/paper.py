"""What a paper needs of a study: figures as PDF, a methods section, and its references."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import finscale
from finscale.config import StudyConfig, format_count
from finscale.config.redraws import redraw_of
from finscale.config.titles import title
from finscale.data.targets import task_title
from finscale.files import write_bytes
from finscale.models import ARCHITECTURES
from finscale.report import static
from finscale.report.latex import latex
from finscale.report.numbers import number, percent
from finscale.report.parts import Page
from finscale.study.axes import AXES
from finscale.study.families import family_title
from finscale.study.findings.findings import Findings

#: Key → BibTeX entry; only those that the methods cite are written.
_REFERENCES = {
    "nie2023": """@inproceedings{nie2023,
  author = {Nie, Yuqi and Nguyen, Nam H. and Sinthong, Phanwadee and Kalagnanam, Jayant},
  title = {A Time Series is Worth 64 Words: Long-term Forecasting with Transformers},
  booktitle = {International Conference on Learning Representations},
  year = {2023}
}""",
    "yang2022": """@article{yang2022,
  author = {Yang, Greg and Hu, Edward J. and Babuschkin, Igor and Sidor, Szymon and others},
  title = {Tensor Programs {V}: Tuning Large Neural Networks via Zero-Shot Hyperparameter Transfer},
  journal = {arXiv:2203.03466},
  year = {2022}
}""",
    "hoffmann2022": """@article{hoffmann2022,
  author = {Hoffmann, Jordan and Borgeaud, Sebastian and Mensch, Arthur and others},
  title = {Training Compute-Optimal Large Language Models},
  journal = {arXiv:2203.15556},
  year = {2022}
}""",
    "lopezdeprado2018": """@book{lopezdeprado2018,
  author = {L{\\'o}pez de Prado, Marcos},
  title = {Advances in Financial Machine Learning},
  publisher = {Wiley},
  year = {2018}
}""",
    "politis1994": """@article{politis1994,
  author = {Politis, Dimitris N. and Romano, Joseph P.},
  title = {The Stationary Bootstrap},
  journal = {Journal of the American Statistical Association},
  volume = {89},
  number = {428},
  pages = {1303--1313},
  year = {1994}
}""",
    "politis2004": """@article{politis2004,
  author = {Politis, Dimitris N. and White, Halbert},
  title = {Automatic Block-Length Selection for the Dependent Bootstrap},
  journal = {Econometric Reviews},
  volume = {23},
  number = {1},
  pages = {53--70},
  year = {2004}
}""",
    "schuirmann1987": """@article{schuirmann1987,
  author = {Schuirmann, Donald J.},
  title = {A Comparison of the Two One-Sided Tests Procedure and the Power Approach for Assessing
    the Equivalence of Average Bioavailability},
  journal = {Journal of Pharmacokinetics and Biopharmaceutics},
  volume = {15},
  number = {6},
  pages = {657--680},
  year = {1987}
}""",
    "bailey2014": """@article{bailey2014,
  author = {Bailey, David H. and L{\\'o}pez de Prado, Marcos},
  title = {The Deflated {Sharpe} Ratio: Correcting for Selection Bias, Backtest Overfitting, and
    Non-Normality},
  journal = {Journal of Portfolio Management},
  volume = {40},
  number = {5},
  pages = {94--107},
  year = {2014}
}""",
}


def write_paper(
    findings: Findings, page: Page, folder: Path, tell: Callable[[str, int, int], object]
) -> Path:
    """Write ``figures/*.pdf``, ``methods.md``, ``methods.tex`` and ``references.bib``.

    Returns
    -------
    Path
        The folder. Tables for LaTeX lie beside it, in ``tables/``.
    """
    for place, figure in enumerate(page.figures, 1):
        tell(f"PDF of {figure.name}", place, len(page.figures))
        static.save(figure, folder / "figures", formats=("pdf",))
    paragraphs = methods(findings)
    write_bytes(folder / "methods.md", _markdown(findings, paragraphs).encode())
    write_bytes(folder / "methods.tex", _tex(findings, paragraphs).encode())
    write_bytes(folder / "references.bib", bibliography(findings, paragraphs).encode())
    return folder


def methods(findings: Findings) -> list[str]:
    """Return the methods in paragraphs, as this study was run; ``[@key]`` cites a reference."""
    study = findings.study
    return [
        _data(findings),
        _split(findings),
        _models(findings),
        _inference(findings),
        _checks(findings),
        f"Everything was computed with finscale {finscale.__version__} [@finscale]; the study file "
        f"was fixed before the first run and has the SHA-256 {study.hash()} [@study].",
    ]


def bibliography(findings: Findings, paragraphs: list[str]) -> str:
    """Return BibTeX of what the paragraphs cite, finscale and the study included."""
    year = findings.registration.get("registered", "")[:4] or "n.d."
    known = {
        **_REFERENCES,
        "finscale": f"""@software{{finscale,
  title = {{finscale: Measure Whether Scale Pays on Financial Time Series}},
  version = {{{finscale.__version__}}},
  year = {{{year}}}
}}""",
        "study": f"""@misc{{study,
  title = {{{{{latex(findings.study.name)}}}: a pre-registered scaling study}},
  note = {{SHA-256 of the study file: {findings.study.hash()}}},
  year = {{{year}}}
}}""",
    }
    text = "\n".join(paragraphs)
    return "\n\n".join(entry for key, entry in known.items() if f"@{key}" in text) + "\n"


def _data(findings: Findings) -> str:
    experiment = findings.study.experiment
    spans = "; ".join(
        f"{entry['symbol']}, {entry['rows']:,} bars from {entry['first_date']} to "
        f"{entry['last_date']}, adjusted for {entry['adjustment']}, source {entry['source']}, "
        f"SHA-256 {entry['sha256'][:16]}"
        for entry in findings.data
    )
    data = experiment.data
    return (
        f"We forecast {task_title(experiment.task)} from {data.timescale} bars ({spans}). A window "
        f"holds {data.context_length} bars of the {data.tier} features, each computed from bars up "
        "to the decision alone and scaled by what training windows show."
    )


def _split(findings: Findings) -> str:
    split = findings.study.experiment.split
    folds = len(findings.study.run_folds)
    how = (
        f"Models were tested walk-forward in {folds} folds: each trains on the past, is chosen on "
        f"{split.validation_days} validation days and tested on the {split.test_days} that follow."
        if split.method == "walk_forward"
        else "Training, validation and test days follow one another in time."
        if split.method == "dates"
        else f"Days were split by the method {split.method}."
    )
    return (
        f"{how} Training windows whose labels reach into held-out days were purged, and "
        f"{split.embargo} days embargoed [@lopezdeprado2018]. The test days, "
        f"{findings.num_days:,} from {findings.first} to {findings.last}, were read only to be "
        "scored."
    )


def _models(findings: Findings) -> str:
    study, training = findings.study, findings.study.experiment.training
    sizes = "; ".join(
        f"{AXES[axis].title} {', '.join(map(AXES[axis].words, along))}"
        for axis, along in study.axes.items()
    )
    kinds = {network.kind for network in study.families.values()} or {study.experiment.network.kind}
    names = [family_title(study, name) for name in study.families] or [
        ARCHITECTURES[kind].title for kind in kinds
    ]
    cited = " [@nie2023]" if "patchtst" in kinds else ""
    tuned = {
        "transfer": "one base learning rate was transferred between sizes by µP [@yang2022]"
        if training.parametrisation == "mup"
        else "one base learning rate was scaled with the width",
        "sweep": "learning rate and batch size were swept for each size on validation",
        "search": "rate, decay, dropout, batch size, epochs and shape were searched on validation "
        f"({sum(one.num_trials for one in findings.searched)} settings tried)",
        "fixed": "all sizes had the same learning rate",
    }[study.tuning.rule]
    counts = sorted(
        {int(value) for value in findings.runs.filter(role="network")["parameters"].to_list()}
    )
    span = f"{format_count(counts[0])} to {format_count(counts[-1])}"
    baselines = ", ".join(map(title, study.baselines))
    return (
        f"Networks ({', '.join(names)}{cited}) were trained at {sizes} ({span} parameters), with "
        f"{_replicates(study)} each, for at most {training.epochs} epochs; the epoch with the "
        f"least validation loss was kept, and {tuned}. The same days were forecast by models "
        f"without scale: {baselines}."
    )


def _replicates(study: StudyConfig) -> str:
    seeds = f"{len(study.seeds)} seeds"
    redraw = redraw_of(study)
    return f"{seeds} in each of {study.num_replicates} {redraw.drawn}" if redraw else seeds


def _inference(findings: Findings) -> str:
    study, measure = findings.study, findings.measure
    return (
        f"The outcome is the test {measure.title}. Curves in size, constant, monotone power laws "
        "with a floor [@hoffmann2022] and ones that turn, were fitted by generalised least squares "
        "with the covariance of sizes over days and seeds, and tested against one another by the "
        f"parametric bootstrap at level {percent(study.level)}; a law also has to predict the "
        "largest size. Absence of an effect was tested for equivalence within "
        f"±{measure.amount(number(study.sesoi))} [@schuirmann1987], stated before the first run. "
        "Intervals of scores resample days in blocks [@politis1994] of automatic length "
        "[@politis2004]. Trading results are net of costs, with the Sharpe ratio deflated for the "
        "number of strategies looked at [@bailey2014]."
    )


def _checks(findings: Findings) -> str:
    found = [
        f"{one.label}: {one.found}{'' if one.ok else ' (not as expected)' * (one.ok is False)}"
        for one in findings.controls
    ]
    controls = f"Controls of known outcome were run beside: {'; '.join(found)}. " if found else ""
    return f"{controls}Leakage was audited: {findings.certificate['verdict']}."


def _markdown(findings: Findings, paragraphs: list[str]) -> str:
    return f"# Methods: {findings.study.name}\n\n" + "\n\n".join(paragraphs) + "\n"


def _tex(findings: Findings, paragraphs: list[str]) -> str:
    body = "\n\n".join(re.sub(r"\[@(\w+)\]", r"\\citep{\1}", latex(one)) for one in paragraphs)
    head = f"% Methods of the study {latex(findings.study.name)}; needs natbib\n"
    return f"{head}\\section{{Methods}}\n\n{body}\n\n\\bibliography{{references}}\n"
