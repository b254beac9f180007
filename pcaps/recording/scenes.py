"""The list of recordings. A scene sets its servers up, starts the capture, plays, and leaves the rest to the lab."""

from dataclasses import dataclass
from typing import Callable

SCENES = {}


@dataclass
class Scene:
    play: Callable
    needs: dict


def scene(name, **needs):
    """Register a recording; `needs` maps a program (with _ for - and __ for /) to the Debian package that brings it."""

    def register(play):
        assert name not in SCENES, name
        SCENES[name] = Scene(play, {k if "/" in k else k.replace("__", "/").replace("_", "-"): v for k, v in needs.items()})
        return play

    return register
