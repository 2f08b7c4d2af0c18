"""All checks, in the order of the certificate."""

from __future__ import annotations

from finscale.audit.certificate import AuditCheck
from finscale.audit.duplicates import examine_duplicates
from finscale.audit.features import examine_causality, examine_columns
from finscale.audit.fitting import examine_fitting
from finscale.audit.plausibility import examine_plausibility
from finscale.audit.records import examine_files, examine_reads
from finscale.audit.sessions import examine_calendar, examine_finished
from finscale.audit.splits import examine_labels, examine_overlap
from finscale.registry import Registry

CHECKS: Registry[AuditCheck] = Registry("check")
for _check in (
    AuditCheck("causality", "Does any feature change with bars after t?", examine_causality),
    AuditCheck("columns", "Does the dataset hold what was proven?", examine_columns),
    AuditCheck("labels", "Are the labels the task's, and is their reach known?", examine_labels),
    AuditCheck("overlap", "Do train and held-out windows share bars?", examine_overlap),
    AuditCheck("fitting", "Is a scaler or calibrator fitted outside its part?", examine_fitting),
    AuditCheck("duplicates", "Are rows of train found again held out?", examine_duplicates),
    AuditCheck(
        "plausibility", "Does a channel know more than its lag allows?", examine_plausibility
    ),
    AuditCheck("calendar", "Do the rows follow the exchange's sessions?", examine_calendar),
    AuditCheck("finished", "Is every bar finished?", examine_finished),
    AuditCheck("files", "Are the files what was registered?", examine_files),
    AuditCheck("test reads", "Who read the test set, and is all of it scored?", examine_reads),
):
    CHECKS.add(_check.name, _check)
