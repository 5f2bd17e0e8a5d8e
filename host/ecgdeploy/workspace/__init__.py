"""A folder with an ``ecgdeploy.toml``: model, data, task, training, board and gates of one project, said once.

In such a folder ``train``, ``quantize``, ``build``, ``flash``, ``measure``, ``report``, ``gate``, ``bundle`` and
``verify`` need no options (`OPTIONS`); an option that is given wins.
"""

from ecgdeploy.workspace.defaults import OPTIONS
from ecgdeploy.workspace.project import Project, here, open_project

__all__ = ["OPTIONS", "Project", "here", "open_project"]
