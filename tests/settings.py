"""The product's settings with a throw-away home. `conftest.py` starts the servers in it when the first test needs one."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# The servers' own user passes through this folder when the tests run as root.
_home = Path(tempfile.mkdtemp(prefix="celestra-tests-"))
_home.chmod(0o711)
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ["CELESTRA_HOME"] = str(_home)
os.environ["CELESTRA_GENERATE_KEYS"] = "true"

from orchestrator.settings import *  # noqa: E402, F403 - after the environment

# Hashing is slow on purpose; hundreds of test users are not.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
