"""The report's glossary: each term is explained on hover, tap or focus."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from markupsafe import Markup, escape

#: Term → meaning. The first mention in a paragraph is marked.
GLOSSARY = {
    "log loss": "How surprised the forecast was by what happened: −log of the probability that it "
    "gave to the outcome, averaged over decisions. Lower is better; 0 would be certainty that is "
    "always right.",
    "nats": "The unit of log loss: natural logarithms. A fair coin costs .693 nats a toss.",
    "skill": "Log loss gained over a baseline on the same days. Positive: better than the "
    "baseline. Where a number is forecast, squared error takes the place of log loss, and pinball "
    "loss where quantiles are.",
    "base rate": "A forecast that always says how often the event happened in the training years. "
    "Climatology, in the words of weather forecasting.",
    "volatility": "How much prices move from day to day. As a baseline: a logistic regression on "
    "recent volatility alone. Big moves come in wild times, and a model must beat this to know "
    "more than that.",
    "logistic": "A logistic regression on the last day's features: the plain model that sees what "
    "the network sees, without its history or its size.",
    "linear model": "The logistic on the last day's features; where a number is forecast, its "
    "ridge. A network that does not beat it has found no more than a line could.",
    "baseline": "A model without scale, tested on the same days. What size has to beat.",
    "95 % interval": "A range that holds the true value in 95 of 100 such studies.",
    "interval": "A range that holds the true value with the stated confidence, usually 95 %. Days "
    "are resampled in blocks, because neighbouring days resemble each other.",
    "seed": "The number that draws a network's first weights and the order of its data. Seeds "
    "differ by luck alone, so their spread is the luck of training.",
    "power law": "What can still be gained (loss above its floor, AUC below its ceiling) shrinks "
    "by the same factor each time size grows by the same factor.",
    "exponent": "How fast a power law falls: the larger, the faster.",
    "held out": "Kept from the fit, then predicted by it. A law that cannot predict the largest "
    "size is no law.",
    "null": "The curve if size had no effect: a flat line.",
    "smallest effect of interest": "The gain below which nobody would pay for size. Stated before "
    "the first run.",
    "minimum detectable effect": "The smallest true effect that a study of this length sees four "
    "times out of five (80 % power, 5 % significance, two-sided). Smaller effects may exist "
    "unseen.",
    "p": "How often luck alone would look at least this strong if there were nothing to see.",
    "AUC": "How often a day with the event was ranked above a day without: .5 is guessing, 1 is "
    "perfect. A study's own AUC ranks days within their fold, because every fold has its own "
    "model.",
    "R²": "The share of the variance of the outcomes that forecasts explain on test days: 0 is the "
    "mean of the training years, and less than that is worse than it.",
    "volatility timing": "Always invested, the less the wilder the market has been of late. It "
    "needs no forecast.",
    "buy and hold": "Bought on the first test day and kept to the last.",
    "precision": "Of all alarms, the share that were right.",
    "recall": "Of all events, the share that an alarm preceded.",
    "operating point": "The probability from which on an alarm is raised: chosen on validation "
    "days, before the test days were seen.",
    "reliability diagram": "Forecast probability against how often it happened. A calibrated model "
    "lies on the diagonal.",
    "calibration error": "Mean distance between forecast probability and observed frequency, over "
    "ten equally filled groups of days.",
    "consistency band": "Where a perfectly calibrated model's points would lie 95 times out of "
    "100, given as many days.",
    "collapsed": "A run whose predictions hug one number: spread below 2 % of the outcome's. It "
    "has learned nothing to rank days by.",
    "Sharpe ratio": "Yearly mean return over its yearly standard deviation, cash at zero.",
    "deflated Sharpe": "The probability that the true Sharpe ratio is above zero, given how many "
    "strategies were tried.",
    "drawdown": "The fall from the highest value reached so far.",
    "break-even cost": "The one-way trading cost, in basis points, at which nothing is left.",
    "basis points": "Hundredths of a per cent.",
    "turnover": "Value traded in a year, over the value held.",
    "walk-forward": "Train on the past, test on the next stretch, move on: several times.",
    "purged": "Removed from training because their label looks into validation or test days.",
    "embargo": "Days kept empty between training and the days held out.",
    "FLOP": "One floating-point operation: the unit of computing work.",
    "training loss": "Loss on the days the model learns from.",
    "validation loss": "Loss on days kept from training; decides when to stop and what to choose.",
    "tercile": "A third of the test days: the calmest, the middle, the most turbulent.",
    "pre-registered": "Fixed and hashed before the first run, so that nothing could be chosen to "
    "suit the result.",
    "hash": "A fingerprint of the whole study file (SHA-256): any change gives another.",
    "PatchTST": "A transformer that reads a window of days in patches (Nie and others 2023).",
    "a20": "The tier of 20 features: the smallest of finscale's nested feature sets.",
    "epoch": "One pass over all training windows.",
    "fold": "One train, validation and test stretch of a walk-forward.",
    "validation": "Days between training and test: for stopping, choosing and calibrating, so that "
    "the test days stay unseen.",
    "context length": "How many days back a forecast looks.",
    "horizon": "How many days ahead the label looks.",
    "half-spread": "Half the gap between buying and selling price: what crossing it costs.",
    "slippage": "How much worse than quoted a trade is done.",
    "threshold": "The probability from which on an alarm is raised.",
    "equivalence": "Two one-sided tests of whether the effect is surely smaller than what matters.",
    "permuted labels": "A control with nothing to learn: outcomes shuffled between days.",
    "planted signal": "A control with a known law to find.",
}


#: What each verdict claims.
VERDICTS = {
    "LAW": "A power law of improvement beats no effect, its exponent is pinned down, and it "
    "predicts the largest size better than a flat line does.",
    "TURNS": "The curve turns inside the range: it beats every curve that only rises or only "
    "falls, and both ends are worse than the best size.",
    "INVERSE": "As LAW, but things get worse with size.",
    "NO-LAW": "Every size surely lies within ± the smallest effect of interest of every other.",
    "INDETERMINATE": "None of the other verdicts: the data allow no claim, and the sentence says "
    "what would settle it, or what shape the curve has that is no law.",
    "MIXED": "Each architecture has a verdict of its own, and they are not the same.",
    "NO VERDICT": "Too few runs are finished to judge.",
}


def slug(term: str) -> str:
    """Return a term as part of an id: ``word-log-loss``."""
    return "word-" + re.sub(r"[^a-z0-9]+", "-", term.lower()).strip("-")


def _pattern() -> re.Pattern[str]:
    terms = sorted(GLOSSARY, key=len, reverse=True)
    plural = "|".join(f"{re.escape(term)}s?" for term in terms if term != "p")
    # "p" is a term only if a value follows
    return re.compile(rf"(?<![\w-])(?:({plural})(?![\w-])|(p)(?= [=<] ))", re.IGNORECASE)


_TERMS = _pattern()
_BY_LOWER = {term.lower(): term for term in GLOSSARY}


def pieces(text: str, seen: set[str] | None = None) -> Iterator[tuple[str, str]]:
    """Yield (text, term): runs of text, and terms where one is mentioned for the first time.

    Parameters
    ----------
    text : str
        Any sentence.
    seen : set of str, optional
        Terms that were marked already; updated.
    """
    seen = set() if seen is None else seen
    start = 0
    for match in _TERMS.finditer(text):
        term = _term(match[0])
        if term in seen:
            continue
        seen.add(term)
        yield text[start : match.start()], ""
        yield match[0], term
        start = match.end()
    yield text[start:], ""


def _term(mention: str) -> str:
    lower = mention.lower()
    return _BY_LOWER.get(lower) or _BY_LOWER[lower.removesuffix("s")]


def explained(text: str, seen: set[str] | None = None) -> Markup:
    """Return text as HTML, terms marked with their meaning; everything else is escaped."""
    parts = []
    for piece, term in pieces(text, seen):
        if not term:
            parts.append(escape(piece))
            continue
        parts.append(
            Markup(
                '<span class="term" tabindex="0" data-meaning="{}" aria-describedby="{}">{}</span>'
            ).format(GLOSSARY[term], slug(term), piece)
        )
    return Markup("").join(parts)


def used(texts: Iterable[str]) -> list[str]:
    """Return the terms that some texts mention, in order of the alphabet."""
    seen: set[str] = set()
    for text in texts:
        list(pieces(text, seen))
    return sorted(seen, key=str.lower)
