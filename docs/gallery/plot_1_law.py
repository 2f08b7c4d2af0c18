"""
A law from a table, and one that is not told
============================================

Eight sizes × five seeds of a law that we know, because we made it: L = .36 + 3·x^−.45. Does the fit
find it, and what does it say when there is nothing to find?
"""

# %%
# The fit. The largest size takes no part in it and is predicted instead: a law that cannot predict
# a size you already have will not predict one that you have not.

import matplotlib.pyplot as plt
import numpy as np
import polars as pl

import finscale as fs

rng = np.random.default_rng(0)
sizes = np.repeat(np.geomspace(5e3, 5e6, 8).round(), 5)
seeds = np.tile(np.arange(5), 8)
luck = 0.004 * rng.standard_normal(len(sizes))
table = pl.DataFrame({"parameters": sizes, "seed": seeds, "loss": 0.36 + 3 * sizes**-0.45 + luck})
law = fs.fit_law(table, x="parameters", y="loss", holdout=1, num_replicates=500)
law.plot()
print(law.summary())

# %%
# What would ten times the largest size bring? Hours are those of a machine that sustains 5e10
# operations a second on 60,000 windows.

from finscale.scaling.plan import CostModel

print(fs.plan(law, CostModel(5e10, 0.0, 54.0), hours=1.0, num_samples=60_000))

# %%
# Now the same eight sizes with losses that do not depend on size. A fitter always finds some
# minimum; a law is told only if the table tells it.

flat = pl.DataFrame({"parameters": sizes, "seed": seeds, "loss": 0.4 + luck})
nothing = fs.fit_law(flat, x="parameters", y="loss", num_replicates=500)
nothing.plot()
print(nothing.reason)
plt.show()
