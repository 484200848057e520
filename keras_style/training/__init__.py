"""Training: callbacks, schedules, evaluation, configuration."""
