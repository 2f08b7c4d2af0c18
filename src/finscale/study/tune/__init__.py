"""The search for each size's settings: rate, decay, dropout, batch, epochs and shape.

``space`` says what is varied, ``asking`` what is tried next, ``pruning`` what is stopped early,
``search`` where one size stands, ``coordinator`` runs all sizes, ``storage`` keeps every trial
where Optuna's tools find it, and ``tuner`` hands the best settings to a study.
"""
