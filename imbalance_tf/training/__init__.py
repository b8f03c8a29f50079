"""Config and cohorts -> a trained model, scored, in a folder."""
