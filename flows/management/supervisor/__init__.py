"""Running a whole system on one machine: embedded servers, our own processes, one log, one clean stop. Used by `manage.py up`."""
