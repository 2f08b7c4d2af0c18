"""Where a study's runs are computed."""
