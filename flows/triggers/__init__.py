"""When flows start: schedules, conditions, events of other flows, webhooks and backfills. Pure: no clock, no database."""
