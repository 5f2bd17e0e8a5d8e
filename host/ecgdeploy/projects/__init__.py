"""Rendering and building a project folder for (model, board, engine)."""

from ecgdeploy.projects.builder import DEFAULT_MODEL, board_of, build, build_request, load_build
from ecgdeploy.projects.types import Build, Model, Project, Request

__all__ = ["DEFAULT_MODEL", "Build", "Model", "Project", "Request", "board_of", "build", "build_request", "load_build"]
