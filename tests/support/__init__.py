"""What tests share: waiting without sleeping, servers, whole systems."""

from tests.support.waiting import eventually

__all__ = ["eventually"]
