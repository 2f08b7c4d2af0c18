"""A finished run put to use: its network with its weights, and predictions on any bars."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.calling import spoken
from finscale.config import BaselineConfig
from finscale.errors import FinscaleError, FinscaleWarning
from finscale.experiment.baseline_fit import fitted_baseline
from finscale.experiment.model_inputs import (
    ModelInputs,
    baseline_name,
    dataset_inputs,
    model_inputs,
    rows_array,
    stored_weights,
    trained_dataset,
)
from finscale.experiment.resolve import interface
from finscale.runs import Run, RunStore

if TYPE_CHECKING:
    from torch import nn

    from finscale.data import DataStore, FinancialDataset, Split
    from finscale.experiment.forecasting import Forecasts
    from finscale.models.baselines import Baseline


@dataclass(frozen=True)
class TrainedRun(Run):
    """A run whose network can be used; made by :func:`load_run`.

    Parameters
    ----------
    folder : Path
        ``runs/<run-id>``.
    data_root : Path, optional
        Where bars and datasets lie; the one that the run was trained with when absent.
    """

    data_root: Path | None = None

    @functools.cached_property
    def data(self) -> DataStore:
        """Where bars and datasets are looked for."""
        from finscale.data import DataStore

        return DataStore(self.data_root or self.config.data.root)

    @functools.cached_property
    def _stored(self) -> tuple[Mapping[str, Any], Mapping[str, Any], Any]:
        return stored_weights(self)

    @functools.cached_property
    def inputs(self) -> ModelInputs:
        """The columns that the network reads, their scale and the range that training saw."""
        if isinstance(self.config.model, BaselineConfig):
            return dataset_inputs(*self._trained_on)
        _, beside, names = self._stored
        return model_inputs(self, beside, names, self.data)

    @functools.cached_property
    def _trained_on(self) -> tuple[FinancialDataset, Split]:
        return trained_dataset(self, self.data)

    @functools.cached_property
    def _baseline(self) -> Baseline:
        """The run's baseline, fitted again on its own data; its validation must come out again."""
        dataset, split = self._trained_on
        baseline = fitted_baseline(self.config, dataset, split)
        stored = self.predictions("validation")["logit"].to_numpy()
        if not np.allclose(
            baseline.predict(dataset.frame, split.validation), stored, rtol=1e-5, atol=1e-6
        ):
            raise FinscaleError(
                f"baseline {baseline_name(self)} of run {self.id}, fitted again, does not say of "
                "its validation days what the run has stored.",
                hint="the run is of another version of finscale: remove its folder, and "
                "`finscale evaluate` fits it again",
            )
        return baseline

    @property
    def linear_scale(self) -> tuple[Any, Any, float] | None:
        """Mean and spread of a linear path's columns and the bound that cuts them; None without."""
        if isinstance(self.config.model, BaselineConfig):
            return None
        weights, _, _ = self._stored
        if "mean_K" not in weights:
            return None
        mean_K, spread_K = (weights[name].numpy() for name in ("mean_K", "spread_K"))
        return mean_K, spread_K, float(weights["limit"])

    def model(self) -> nn.Module:
        """Return the network with its trained weights, on the CPU and in eval mode.

        It reads windows ``[B, L, F]``: the channels of :attr:`inputs`, in their order, divided by
        ``inputs.scale_F``. With a linear path (``model.reads_last_row``) it reads the relative
        columns of the last row ``[B, K]`` beside them, undivided. It writes logits ``[B]``, or
        numbers ``[B]`` or ``[B, Q]``; :meth:`predict` does all of this and calibrates.

        Raises
        ------
        FinscaleError
            If the run is a baseline or its weights are missing or of another version.

        Examples
        --------
        >>> model = fs.load_run("cb82").model()     # doctest: +SKIP
        >>> sum(p.numel() for p in model.parameters())   # doctest: +SKIP
        4993
        """
        import torch

        from finscale.models import build_model

        weights, _, _ = self._stored
        shape = interface(
            self.config,
            num_features=len(self.inputs.channels),
            context_length=self.config.data.context_length,
            num_relative=len(self.inputs.relative),
        )
        # the weights that it is built with are thrown away: the caller's generator stays
        with torch.random.fork_rng(devices=[]):
            network = build_model(self.config.network, **shape)
        try:
            network.load_state_dict(dict(weights))
        except RuntimeError as error:
            raise FinscaleError(
                f"the weights of run {self.id} do not fit the network that its config builds: "
                f"{str(error).splitlines()[-1].strip()}.",
                hint="they were written by another version of finscale: train the run again",
            ) from None
        return network.eval()

    @functools.cached_property
    def _network(self) -> nn.Module:
        return self.model()

    def outputs(self, rows: pl.DataFrame, last: int | None = None) -> NDArray[np.float64]:
        """Return raw outputs for the windows that end at the last rows; baselines are fitted again.

        Parameters
        ----------
        rows : polars.DataFrame
            Rows of a dataset of one symbol (:func:`finscale.features.dataset_rows`).
        last : int, optional
            How many; every window that there is when absent.

        Returns
        -------
        ndarray of float64, shape (N,) or (N, Q)
            Logits, or numbers; as ``predictions.parquet`` has them.
        """
        import torch

        from finscale.data.gather import gather_windows
        from finscale.training.devices import supports, use_threads

        length, training = self.config.data.context_length, self.config.training
        if isinstance(self.config.model, BaselineConfig):
            first = max(length - 1, rows.height - (last or rows.height))
            return self._baseline.predict(rows, np.arange(first, rows.height))
        rows_RF = torch.from_numpy(rows_array(rows, self.inputs.channels))
        rows_RF /= torch.from_numpy(self.inputs.scale_F)
        relative_RK = torch.from_numpy(rows_array(rows, self.inputs.relative))
        first = max(length - 1, len(rows_RF) - (last or len(rows_RF)))
        ends_N = torch.arange(first, len(rows_RF))
        half = training.precision == "bf16-mixed"
        if half and not supports("cpu", "bf16-mixed"):
            half = False
            warnings.warn(
                f"run {self.id} was trained in bf16-mixed, which this processor does not have: "
                "its outputs are computed in fp32 and differ in the third digit.",
                FinscaleWarning,
                stacklevel=2,
            )
        model, found = self._network, []
        threads = training.threads if isinstance(training.threads, int) else 1
        with (
            torch.inference_mode(),
            torch.autocast("cpu", dtype=torch.bfloat16, enabled=half),
            use_threads(threads),
        ):
            for ends_B in torch.split(ends_N, training.evaluation_batch_size):
                read = [gather_windows(rows_RF, ends_B, length)]
                if getattr(model, "reads_last_row", False):
                    read.append(relative_RK.index_select(0, ends_B))
                found.append(model(*read).float())
        return torch.cat(found).double().numpy()

    def predict(
        self,
        frame: Any = None,
        *,
        symbol: str = "",
        file: Path | str | None = None,
        last: int | None = None,
        calibration: str = "platt",
        confidence: float = 0.9,
    ) -> Forecasts:
        """Predict on bars, the newest one included, whose label nobody knows yet.

        Parameters
        ----------
        frame : polars.DataFrame or pandas.DataFrame, optional
            Daily bars: date (a column, or pandas' index), open, high, low, close, volume, adjusted
            as in training; an ``adj_close`` adjusts the others, a ``symbol`` tells several apart.
            The newest bars of the store when neither a frame nor a file is given.
        symbol : str
            Whose bars; the run's own symbols when empty.
        file : path, optional
            A file of bars, read as ``finscale data import`` reads it.
        last : int, optional
            How many of the newest rows; all when absent.
        calibration : {"platt", "temperature", "beta", "isotonic", "none"}
            Map from logits to calibrated ones, fitted on the run's validation predictions.
        confidence : float
            Of sets and intervals.

        Returns
        -------
        Forecasts
            ``table`` has a row a date; ``warnings`` says what to be careful of.

        Raises
        ------
        DataError
            If the bars cannot be used.
        """
        from finscale.experiment.forecasting import forecast
        from finscale.experiment.new_bars import new_bars_of

        bars = new_bars_of(self, self.data, frame=frame, symbol=symbol, file=file)
        return forecast([self], bars, last=last, calibration=calibration, confidence=confidence)

    def to_onnx(self, path: Path | str | None = None) -> Path:
        """Write the network as ONNX, checked against torch, and return the file."""
        from finscale.experiment.onnx_export import export_onnx

        return export_onnx(self, path).path


@spoken('load_run("cb82")')
def load_run(
    run: str | Path | Run,
    *,
    runs: RunStore | Path | str = "runs",
    data_root: Path | str | None = None,
) -> TrainedRun:
    """Return a finished run, to be used: its network, and predictions on new bars.

    Parameters
    ----------
    run : str, path or Run
        First digits of its id, or its folder.
    runs : path or RunStore
        Folder of the runs.
    data_root : path, optional
        Folder of the data; the one that the run was trained with when absent.

    Raises
    ------
    FinscaleError
        If no run fits, or several do.

    Examples
    --------
    >>> import finscale as fs
    >>> run = fs.load_run("cb82")              # doctest: +SKIP
    >>> run.predict(last=1).table              # doctest: +SKIP
    """
    from finscale.plugins import load_plugins

    load_plugins()
    root = None if data_root is None else Path(data_root)
    if isinstance(run, Run):
        return TrainedRun(run.folder, root)
    store = runs if isinstance(runs, RunStore) else RunStore(runs)
    named, run = Path(run), str(run)
    if (named / "run.json").is_file():
        return TrainedRun(named, root)
    return TrainedRun(store.find(run).folder, root)
