"""Random vendor files made from known bars give these bars back or a refusal, never other bars."""

from __future__ import annotations

import bz2
import datetime as dt
import gzip
import io
import json
import lzma
import random
import zipfile
from collections import Counter

import numpy as np
import openpyxl
import polars as pl
import pytest

from finscale.data import calendar
from finscale.data.sources import fetch_bars
from finscale.errors import DataError

FIELDS = ("date", "open", "high", "low", "close", "volume")
NOW = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
#: Header words: English, vendors, German, Polish, Chinese. What is not known is refused.
WORDS = (
    ("date", "open", "high", "low", "close", "volume"),
    ("Date", "Open", "High", "Low", "Close", "Volume"),
    ("<DATE>", "<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>", "<VOL>"),
    ("timestamp", "1. open", "2. high", "3. low", "4. close", "5. volume"),
    ("Date", "Open Price", "High Price", "Low Price", "Close/Last", "Vol."),
    ("t", "o", "h", "l", "c", "v"),
    ("time", "open", "high", "low", "close", "Volume"),
    ("", "Open", "High", "Low", "Close", "Volume"),
    ("Date", "Price Open", "Price High", "Price Low", "Price", "Volume"),
    ("Datum", "Eröffnung", "Hoch", "Tief", "Schlusskurs", "Volumen"),
    ("Data", "Otwarcie", "Najwyższy", "Najniższy", "Zamknięcie", "Wolumen"),
    ("日期", "开盘价", "最高价", "最低价", "收盘价", "成交量"),
    ("trade_date", "open_price", "high_price", "low_price", "close_price", "traded_volume"),
    ("Date", "Open_SPY", "High_SPY", "Low_SPY", "Close_SPY", "Volume_SPY"),
)
DATES = (
    "%Y-%m-%d",
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y%m%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%m/%d/%y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%a, %b %d, %Y",
    "%d-%B-%Y",
    "%y%m%d",
    "%d.%m.%y",
    "%Y-%m-%d 16:00",
    "%Y-%m-%d 00:00:00",
    "%Y-%m-%d 00:00:00-05:00",
    "%Y-%m-%dT00:00:00.000Z",
    "epoch",
    "epoch ms",
    "excel",
)
JUNK = (
    "Daily prices of SPY",
    "Prices as of 2025-12-31; all in USD",
    "# comment",
    "Rows: 30",
    "Generated 2026-01-05 17:30:00",
)
FOOT = ("Source: Example", "Total", "© 2026 Example Ltd", "Data may be late.", "(30 rows)")
CODE_PAGES = ("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "cp1250", "gb18030")


def _bars(rng: random.Random) -> pl.DataFrame:
    """Return a few weeks of bars, with prices of pennies to thousands."""
    days = calendar.sessions("XNYS", dt.date(2022, 1, 3), dt.date(2025, 12, 31))
    first = rng.randrange(len(days) - 60)
    days = days[first : first + rng.randint(8, 50)]
    walk = np.cumsum([rng.gauss(0, 0.012) for _ in range(4 * len(days))])
    price = rng.choice([3.7, 38.0, 470.0, 980.0, 4300.0, 41000.0]) * np.exp(walk)
    paths = price.reshape(-1, 4).round(rng.choice([2, 2, 2, 3, 4, 0]))
    shares = [rng.choice([rng.randint(1, 999), rng.randint(10_000, 99_000_000)])] * len(days)
    if rng.random() < 0.8:
        shares = [rng.randint(900, 3000) * rng.choice([1, 1000, 12345]) for _ in days]
    return pl.DataFrame(
        {
            "date": pl.Series(days, dtype=pl.Date),
            "open": paths[:, 0],
            "high": paths.max(axis=1),
            "low": paths.min(axis=1),
            "close": paths[:, 3],
            "volume": pl.Series(shares, dtype=pl.Float64),
        }
    )


def _date(day: dt.date, form: str) -> str:
    if form == "excel":
        return str((day - dt.date(1899, 12, 30)).days)
    if form.startswith("epoch"):
        moment = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
        return str(int(moment.timestamp()) * (1000 if form == "epoch ms" else 1))
    return day.strftime(form)


def _number(value: float, form: str) -> str:
    text = f"{value:.15g}"
    if form == "plain":
        return text
    if form == "exponent":
        return f"{value:.10e}"
    if form == "suffix":
        return f"{value / 1e6:.9f}M" if value > 1e6 else text
    grouped = f"{value:,.4f}".rstrip("0").rstrip(".") if "." in text else f"{value:,.0f}"
    if form == "comma":
        return text.replace(".", ",")
    if form == "german":
        return grouped.translate(str.maketrans(",.", ".,"))
    if form == "space":
        return grouped.replace(",", "\u00a0").replace(".", ",")
    if form == "swiss":
        return grouped.replace(",", "'")
    return {"thousands": grouped, "dollar": f"${grouped}", "zeros": f"{value:.6f}"}[form]


def _quoted(cell: str, delimiter: str, quote: str, always: bool) -> str:
    if always or delimiter in cell or (quote and quote in cell):
        quote = quote or '"'
        return quote + cell.replace(quote, quote * 2) + quote
    return cell


class VendorFile:
    """One random file: what it is made of, its bytes, and the bars it was made from."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.bars = _bars(rng)
        pick = rng.choice
        self.words = pick(WORDS)
        self.date = pick(DATES)
        self.number = pick(
            ["plain"] * 4
            + [
                "thousands",
                "dollar",
                "comma",
                "german",
                "space",
                "swiss",
                "zeros",
                "exponent",
                "suffix",
            ]
        )
        if self.number == "german" and (self.bars["close"] == self.bars["close"].round()).all():
            # 41.431 with nothing else to tell: read as 41.431 whichever was meant
            self.number = "comma"
        self.kind = pick(
            ["text"] * 12 + ["records", "lines", "columns", "lists", "parquet", "ipc", "xlsx"]
        )
        self.packing = pick(["none"] * 6 + ["gzip", "bz2", "xz", "zip"])
        self.delimiter = pick([",", ",", ",", ";", "\t", "|"])
        self.junk = [pick(JUNK) for _ in range(pick([0, 0, 1, 2]))]
        self.foot = [pick(FOOT) for _ in range(pick([0, 0, 0, 1]))]
        self.code_page = pick(CODE_PAGES)
        self.cut_number = False
        self.options = {"adjustment": "split", "now": NOW}
        self._rows = self._table(rng)
        self.content = self._packed(self._written(rng))

    def __repr__(self) -> str:
        parts = {k: v for k, v in vars(self).items() if k not in ("bars", "content", "_rows")}
        return f"{parts}\n{self.content[:600]!r}"

    def _table(self, rng: random.Random) -> list[list[str]]:
        rows = [
            [_date(row[0], self.date), *[_number(value, self.number) for value in row[1:]]]
            for row in self.bars.iter_rows()
        ]
        columns = dict(zip(FIELDS, zip(*rows, strict=True), strict=True))
        names = dict(zip(FIELDS, self.words, strict=True))
        order = list(FIELDS)
        if rng.random() < 0.5:
            first = order if rng.random() < 0.5 else order[1:]
            rng.shuffle(first)
            order = first if "date" in first else ["date", *first]
        if rng.random() < 0.15:
            order.remove("volume")
        if rng.random() < 0.3:
            names["note"], columns["note"] = "Note", tuple(rng.choice(["", "ok"]) for _ in rows)
            order.insert(rng.randint(1, len(order)), "note")
        if rng.random() < 0.2:
            names["tic"] = rng.choice(["Ticker", "symbol", "Instrument"])
            columns["tic"] = ("SPY",) * len(rows)
            order.insert(rng.randint(0, len(order)), "tic")
        if rng.random() < 0.2:
            names["change"] = rng.choice(["Change %", "Chg", "% Change", "Adj Factor"])
            columns["change"] = tuple(f"{rng.uniform(-3, 3):.2f}%" for _ in rows)
            order.insert(rng.randint(1, len(order)), "change")
        self.order = order
        body = [list(cells) for cells in zip(*(columns[name] for name in order), strict=True)]
        if "tic" in order and self.kind in ("text", "records", "lines", "lists"):
            body = self._with_another(rng, body)
        elif rng.random() < 0.2:
            body.reverse()
        return [[names[name] for name in order], *body]

    def _with_another(self, rng: random.Random, body: list[list[str]]) -> list[list[str]]:
        """Return the rows with those of another symbol, below them or among them."""
        at = {field: self.order.index(field) for field in ("tic", "open", "close")}
        others = []
        for cells in body:
            other = list(cells)
            other[at["tic"]] = "QQQ"
            other[at["open"]], other[at["close"]] = cells[at["close"]], cells[at["open"]]
            others.append(other)
        if rng.random() < 0.5:
            return [*body, *others]
        return [row for pair in zip(body, others, strict=True) for row in pair]

    def _written(self, rng: random.Random) -> bytes:
        header, *body = self._rows
        if self.kind == "text":
            return self._text(rng)
        names = [name or "Date" for name in header]
        if len(set(names)) < len(names):
            names = [
                name if names.count(name) == 1 else f"{name}{i}" for i, name in enumerate(names)
            ]
        records = [dict(zip(names, cells, strict=True)) for cells in body]
        if self.kind == "records":
            found = rng.choice([records, {"symbol": "SPY", "results": records, "count": len(body)}])
            return json.dumps(found, ensure_ascii=rng.random() < 0.5).encode()
        if self.kind == "lines":
            return "\n".join(map(json.dumps, records)).encode()
        if self.kind == "columns":
            lists = {name: [record[name] for record in records] for name in names}
            keyed = {n: {str(i): v for i, v in enumerate(vs)} for n, vs in lists.items()}
            return json.dumps(rng.choice([lists, keyed])).encode()
        if self.kind == "lists":
            return json.dumps([names, *body]).encode()
        if self.kind == "xlsx":
            return self._workbook(rng, names)
        typed = pl.DataFrame(
            {
                name: self._in_order(field) if field in self.bars.columns else list(column)
                for name, field, *column in zip(names, self.order, *body, strict=True)
            }
        )
        content = io.BytesIO()
        if self.kind == "parquet":
            typed.write_parquet(content)
        else:
            rng.choice([typed.write_ipc, typed.write_ipc_stream])(content)
        return content.getvalue()

    def _in_order(self, field: str) -> pl.Series:
        """Return a field's values in the order of the file's rows."""
        at = self.order.index("date")
        ascending = self._rows[1][at] == _date(self.bars["date"][0], self.date)
        return self.bars[field] if ascending else self.bars[field].reverse()

    def _workbook(self, rng: random.Random, names: list[str]) -> bytes:
        book = openpyxl.Workbook()
        sheet = book.active
        for line in self.junk:
            sheet.append([line])
        sheet.append(names)
        columns = [
            self._in_order(field).to_list()
            if field in self.bars.columns
            else [cells[i] for cells in self._rows[1:]]
            for i, field in enumerate(self.order)
        ]
        for row in zip(*columns, strict=True):
            sheet.append(row)
        if rng.random() < 0.3:
            book.create_sheet("Notes").append(["made by", "a test"])
        content = io.BytesIO()
        book.save(content)
        return content.getvalue()

    def _text(self, rng: random.Random) -> bytes:
        quote = rng.choice(['"', '"', "'", ""])
        always = bool(quote) and rng.random() < 0.25
        blank = rng.choice(["", "", " "])
        header, *body = self._rows
        lines = [
            (self.delimiter + blank).join(_quoted(c, self.delimiter, quote, always) for c in cells)
            for cells in body
        ]
        head = (self.delimiter + blank).join(
            _quoted(c, self.delimiter, quote, always) for c in header
        )
        twist = rng.random()
        if not blank and not always and self.delimiter == "|" and rng.random() < 0.3:
            lines = [f"| {line} |".replace("|", " | ").strip() for line in lines]
            head = f"| {head} |\n|{'---|' * len(header)}"
            twist = 1.0
        if twist < 0.05:  # a header in the middle, as in joined files
            lines.insert(rng.randint(1, len(lines) - 1), head)
        elif twist < 0.10:  # row names, as R writes them
            lines = [f"{i}{self.delimiter}{line}" for i, line in enumerate(lines, start=1)]
        elif twist < 0.15:  # cut off within the last row
            last = lines[-1]
            lines[-1] = last[: rng.randint(1, len(last) - 1)]
            # whether a last number has lost digits is for the acceptance to tell, if it can be told
            self.cut_number = last.count(self.delimiter) == lines[-1].count(self.delimiter)
            self.foot = []
        elif twist < 0.20:  # a cell lost in the middle
            at = rng.randrange(len(lines))
            cells = [_quoted(c, self.delimiter, quote, always) for c in body[at]]
            del cells[rng.randrange(len(cells))]
            lines[at] = self.delimiter.join(cells)
        elif twist < 0.25:  # no header at all
            head = ""
        elif twist < 0.30:  # a quote that is never closed
            at = rng.randrange(len(lines))
            lines[at] = lines[at].replace(self.delimiter, self.delimiter + '"', 1)
        elif twist < 0.35:
            head = f"sep={self.delimiter}\n{head}"
            self.junk = []
        elif twist < 0.40:  # a row twice
            lines.insert(rng.randrange(len(lines)), rng.choice(lines))
        elif twist < 0.45:  # every line is one quoted cell
            lines = ['"' + line.replace('"', '""') + '"' for line in lines]
            head = '"' + head.replace('"', '""') + '"'
        elif twist < 0.50:  # units below the names
            units = ["USD" if f in FIELDS[1:5] else "" for f in self.order]
            lines.insert(0, self.delimiter.join(units))
        end = rng.choice(["\n", "\n", "\r\n", "\r"])
        text = "\n".join([*self.junk, *([head] if head else []), *lines, *self.foot])
        text = (text + rng.choice(["", "\n", "\n\n"])).replace("\n", end)
        return text.encode(self.code_page, errors="replace")

    def _packed(self, content: bytes) -> bytes:
        if self.packing == "zip":
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("SPY.csv", content)
            return buffer.getvalue()
        pack = {"gzip": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
        return pack.get(self.packing, lambda data: data)(content)


def _check(seed: int, folder) -> str:
    """Return whether a file was read or refused; fail if it gave other bars."""
    made = VendorFile(seed)
    path = folder / "bars.csv"
    path.write_bytes(made.content)
    try:
        bars = fetch_bars("csv", "SPY", file=path, **made.options)
    except DataError as error:
        return f"refused: {error.message.split(': ')[-1][:60]}"
    found = bars.frame.select(FIELDS)
    expected = made.bars
    if "volume" not in made.order:
        expected = expected.with_columns(volume=pl.lit(0.0))
    # a bar may be missing only if the user is told which line was left out
    told = sum("left out" in repair.reason for repair in bars.repairs)
    if made.cut_number:
        found, told = found.filter(pl.col("date") != expected["date"].max()), told + 1
    joined = found.join(expected, on="date", how="left", suffix="_made")
    for field in FIELDS[1:]:
        # a volume whose last digits are cut off, or a price, is the acceptance's business
        same = (joined[field] - joined[f"{field}_made"]).abs() <= 1e-9 * joined[f"{field}_made"]
        assert same.fill_null(False).all(), f"seed {seed}: other {field}\n{joined}\n{made}"
    assert found.height + told >= expected.height, f"seed {seed}: rows lost\n{made}\n{bars.repairs}"
    return "read"


def _counts(seeds, folder) -> Counter[str]:
    return Counter(_check(seed, folder) for seed in seeds)


def test_two_hundred_vendor_files(tmp_path):
    counts = _counts(range(200), tmp_path)
    # refusals of everything would pass as well
    assert counts["read"] > 80, counts


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_thousand_vendor_files(tmp_path):
    counts = _counts(range(1000, 3000), tmp_path)
    assert counts["read"] > 800, counts
